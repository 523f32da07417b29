"""Gate `smoke`: one HTTP request to the new version, before it gets any traffic."""

import re
from dataclasses import dataclass

from migsafe.plan.model import Options
from migsafe.rollout.gates.base import Reading, Situation, Verdict
from migsafe.rollout.machine import Question
from migsafe.rollout.options import typed_options
from migsafe.rollout.providers.base import require_timeout
from migsafe.run.http import Unanswered, ask, checked_url


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeOptions:
    """`header` is one header as `Name: value`; `body` is a regular expression that must be found."""

    url: str
    method: str = "GET"
    status: int = 200
    body: str | None = None
    header: str | None = None
    timeout_seconds: float = 5.0

    def __post_init__(self) -> None:
        checked_url(self.url, where="gate of kind 'smoke': option 'url'")
        if not re.fullmatch(r"[A-Z]{1,16}", self.method):
            raise ValueError(f"option 'method' is not an HTTP method: {self.method!r}")
        if not 100 <= self.status <= 599:
            raise ValueError(f"option 'status' is not an HTTP status: {self.status}")
        if self.header is not None and not re.fullmatch(r"[A-Za-z0-9-]+: *[^\r\n]*", self.header):
            raise ValueError("option 'header' must look like 'Name: value'")
        require_timeout(self.timeout_seconds)
        try:
            re.compile(self.body or "")
        except re.error as error:
            raise ValueError(f"option 'body' is not a regular expression: {error}") from error


class SmokeGate:
    """See `Gate`. An answer other than the expected one fails; no answer holds."""

    questions = frozenset({Question.DARK})

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._options = typed_options(SmokeOptions, options, where=f"gate '{name}'")

    def read(self, situation: Situation) -> Reading:
        """Ask once."""
        del situation
        wanted = self._options
        headers = dict([wanted.header.split(": ", 1)]) if wanted.header else {}
        try:
            answer = ask(wanted.method, wanted.url, timeout_seconds=wanted.timeout_seconds, headers=headers)
        except Unanswered as error:
            return Reading(verdict=Verdict.ERROR, text=error.message)
        if answer.status != wanted.status:
            return Reading(verdict=Verdict.FAIL, text=f"status {answer.status} instead of {wanted.status}")
        if wanted.body is not None and not re.search(wanted.body, answer.text):
            return Reading(verdict=Verdict.FAIL, text=f"the answer does not hold {wanted.body!r}")
        return Reading(verdict=Verdict.PASS, text=f"status {answer.status}")

    def close(self) -> None:
        """Nothing is held between two readings."""
