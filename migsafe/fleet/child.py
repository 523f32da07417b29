"""One database's command, as a process of its own: the same `migsafe run` that a person would start.

A process for each keeps trouble apart (a crash, memory, a hanging connection) and costs nothing in speed: the
server does the work. Its text comes line by line on stderr, its result as JSON on stdout. It has a process
group of its own, so that Ctrl-C reaches it through us only; should we die, it is told to stop by a small
shell.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

from migsafe.fleet.model import Database
from migsafe.postgres.watchdog import when_we_die
from migsafe.run.connect import VARIABLES

DIRECT_VARIABLE = "MIGSAFE_DIRECT_DATABASE_URL"
NAME_VARIABLE = "MIGSAFE_FLEET_DATABASE"
EXIT_INTERRUPTED = 130
_TIME = re.compile(r"^\[[^\]]{1,20}\] ")
_ERROR = "error: "
_LAST_LINES = 20

Tell = Callable[[str, str], None]  # a database's name, and a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended: its exit code (negative: a signal ended it), its JSON, and its error."""

    code: int
    document: Mapping[str, Any] | None
    error: str = ""
    advice: str = ""


@dataclass(slots=True)
class Child:
    """A command for one database. `run` blocks; `stop` may be called from another thread.

    `descriptors` are the open files that it gets from us under the same numbers.
    """

    database: Database
    words: Sequence[str]
    tell: Tell
    descriptors: Sequence[int] = ()
    _process: "subprocess.Popen[str] | None" = field(default=None, init=False)
    _stopped: signal.Signals | None = field(default=None, init=False)

    @property
    def is_alive(self) -> bool:
        """Whether it still works."""
        return self._process is None or self._process.poll() is None

    def run(self) -> Ended:
        """Start it, pass on what it says, and wait for its end."""
        if self._stopped is not None:
            return Ended(code=EXIT_INTERRUPTED, document=None)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as result:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "migsafe", *self.words, "--format", "json"],
                stdin=subprocess.DEVNULL,
                stdout=result,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=environment_for(self.database, os.environ),
                start_new_session=True,
                pass_fds=tuple(self.descriptors),
            )
            self._stop_again()  # it may have been asked for between our first look and now
            with when_we_die('kill -TERM "$1" 2>/dev/null', self._process.pid):
                error, advice = self._listen()
                code = self._process.wait()
            result.seek(0)
            return Ended(code=code, document=_document(result), error=error, advice=advice)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal; one that has not begun yet never begins."""
        self._stopped = number
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _stop_again(self) -> None:
        if self._stopped is not None:
            self.stop(self._stopped)

    def _listen(self) -> tuple[str, str]:
        """Pass its lines on. Returns what it says about an error at its end, and what to do then."""
        stream = self._process.stderr if self._process else None
        last: deque[str] = deque(maxlen=_LAST_LINES)
        failed = False
        for raw in stream or ():
            line = raw.rstrip()
            failed = failed or line.startswith(_ERROR)
            if failed or not _TIME.match(line):
                last.append(line)
            else:
                self.tell(self.database.name, _TIME.sub("", line))
        if stream is not None:
            stream.close()
        lines = [line for line in last if line.strip()]
        if failed:
            first = next((n for n, line in enumerate(lines) if line.startswith(_ERROR)), 0)
            return lines[first].removeprefix(_ERROR), " ".join(lines[first + 1 :])
        return (lines[-1] if lines else ""), ""


def environment_for(database: Database, environment: Mapping[str, str]) -> dict[str, str]:
    """Our environment with the URLs of this database, and with none that leads to another one.

    The URLs go this way and not as options, which everybody on the machine could read.
    """
    ours = {key: value for key, value in environment.items() if key not in (*VARIABLES, DIRECT_VARIABLE)}
    ours[VARIABLES[0]] = database.dsn
    ours[NAME_VARIABLE] = database.name
    ours["PYTHONIOENCODING"] = "utf-8"
    if database.direct_dsn:
        ours[DIRECT_VARIABLE] = database.direct_dsn
    return ours


def _document(stream: IO[str]) -> Mapping[str, Any] | None:
    try:
        found = json.load(stream)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
