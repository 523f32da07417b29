"""Any shell command as a traffic provider: what has no adapter of its own can be driven all the same."""

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass

from migsafe.errors import TrafficError
from migsafe.plan.model import Options
from migsafe.rollout.options import typed_options
from migsafe.rollout.providers.base import Counters, Provider, Split, Statistics, checked_percent

_CONFIRM_EVERY_SECONDS = 0.2
_TAIL_BYTES = 500
_MAX_OUTPUT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """The commands. In `set` and `verify`, `{green}` and `{blue}` stand for the percentages.

    So do MIGSAFE_GREEN_PERCENT and MIGSAFE_BLUE_PERCENT in their environment.
    """

    set: str
    read: str
    verify: str | None = None
    statistics: str | None = None
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("set", "read", "verify", "statistics"):
            text = getattr(self, name)
            if text is not None and not text.strip():
                raise ValueError(f"option '{name}' is empty")
        if self.timeout_seconds <= 0:
            raise ValueError("timeout_seconds must be above 0")


def command_provider(options: Options) -> Provider:
    """The provider for these options; UsageError when they cannot be used."""
    return CommandProvider(typed_options(CommandOptions, options, where="traffic provider 'command'"))


class CommandProvider:
    """See `Provider`."""

    def __init__(self, options: CommandOptions) -> None:
        self._options = options

    def read(self) -> Split:
        """What the `read` command prints: the percent of green, a whole number, nothing else."""
        text = self._run("read", self._options.read).strip()
        if not re.fullmatch(r"[0-9]{1,3} ?%?", text) or int(text.rstrip(" %")) > 100:
            raise TrafficError(
                f"the read command printed {text[:80]!r}",
                advice="it must print the percent of green, 0 to 100, and nothing else",
            )
        percent = int(text.rstrip(" %"))
        return Split(green_percent=percent, token=str(percent))

    def set(self, green_percent: int, token: str | None) -> None:
        """Run the `set` command once."""
        checked_percent(green_percent)
        if token is not None and (now := self.read()).token != token:
            raise TrafficError(
                f"the split changed since it was read: now {now.green_percent} % green",
                advice="somebody else moves this traffic; run again to go on from what is there",
            )
        self._run("set", self._options.set, green_percent)

    def verify(self, green_percent: int, *, timeout_seconds: float) -> None:
        """Read until it says so, then ask the `verify` command where there is one."""
        deadline = time.monotonic() + timeout_seconds
        while (split := self.read()).green_percent != green_percent:
            if time.monotonic() > deadline:
                raise TrafficError(
                    f"the read command still says {split.green_percent} instead of {green_percent} "
                    f"after {timeout_seconds:g} s"
                )
            time.sleep(_CONFIRM_EVERY_SECONDS)
        if self._options.verify is not None:
            self._run("verify", self._options.verify, green_percent)

    def statistics(self) -> Statistics | None:
        """What the `statistics` command prints, as JSON; None when there is no such command."""
        if self._options.statistics is None:
            return None
        text = self._run("statistics", self._options.statistics)
        try:
            document = json.loads(text, parse_constant=_refuse_constant)
            return Statistics(blue=_counters(document["blue"]), green=_counters(document["green"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrafficError(
                f"the statistics command printed {text.strip()[:80]!r}: {error!r}",
                advice='it must print {"blue": {"requests": 1, "failures": 0}, "green": {...}}',
            ) from error

    def _run(self, name: str, command: str, green_percent: int | None = None) -> str:
        """The output of one command, in its own process group so that a timeout ends all of it."""
        environment = dict(os.environ)
        if green_percent is not None:
            blue, green = str(100 - green_percent), str(green_percent)
            environment |= {"MIGSAFE_GREEN_PERCENT": green, "MIGSAFE_BLUE_PERCENT": blue}
            command = command.replace("{green}", green).replace("{blue}", blue)
        # Files and not pipes: something left running in the background would keep a pipe open.
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(  # noqa: S602 # a shell command is what the user's plan asks for
                command,
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
            code = self._wait(process)
            output.seek(0)
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - _TAIL_BYTES))
            said = errors.read().decode(errors="replace").strip()
            if code is None:
                raise TrafficError(f"the {name} command took longer than {self._options.timeout_seconds:g} s")
            if code != 0:
                raise TrafficError(f"the {name} command ended with exit code {code}: {said or 'no message'}")
            return output.read(_MAX_OUTPUT_BYTES).decode(errors="replace")

    def _wait(self, process: "subprocess.Popen[bytes]") -> int | None:
        try:
            return process.wait(timeout=self._options.timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that can be compared")


def _counters(document: Mapping[str, object]) -> Counters:
    latency = document.get("latency_ms", {})
    if not isinstance(latency, Mapping):
        raise TypeError("latency_ms must map an upper bound to a count")
    bounds = {float(bound): _count(count, "latency_ms") for bound, count in latency.items()}
    if not all(math.isfinite(bound) for bound in bounds):
        raise ValueError("latency_ms holds a bound that is not finite")
    return Counters(
        requests=_count(document["requests"], "requests"),
        failures=_count(document["failures"], "failures"),
        latency_ms=dict(sorted(bounds.items())),
    )


def _count(value: object, name: str) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} must be a whole number from 0, not {value!r}")
    return value
