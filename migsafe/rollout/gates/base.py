"""What a gate is: a question that is answered again and again while a stage is watched."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from migsafe.rollout.machine import Question
from migsafe.rollout.providers.base import Statistics


class Verdict(StrEnum):
    """The answers. Only `pass` lets a rollout go on, and only `fail` moves traffic back."""

    PASS = "pass"  # noqa: S105 # not a password
    HOLD = "hold"  # cannot say yet: no data, too few requests
    FAIL = "fail"
    ERROR = "error"  # the question could not be asked; counts as hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One answer, and what was seen, for people."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a gate may look at.

    `interval` is what both versions did since this step began, if known; `trouble` says why it is not.
    """

    green_percent: int
    interval: Statistics | None = None
    trouble: str = ""


class Gate(Protocol):
    """A gate. `read` never raises: what goes wrong is a reading."""

    @property
    def name(self) -> str:
        """Its name in the plan."""

    @property
    def questions(self) -> frozenset[Question]:
        """Which questions of the rollout it has a say in."""

    def read(self, situation: Situation) -> Reading:
        """Its answer now."""

    def close(self) -> None:
        """Give back what it holds."""
