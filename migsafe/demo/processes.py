"""Child processes of the demo: Python modules that end with us and talk in lines of JSON."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from migsafe.errors import MigsafeError

STOP_SECONDS = 8.0


class DemoBroken(MigsafeError):
    """A part of the demo did not start or went away: which, and the end of its log."""


@dataclass(slots=True)
class Child:
    """A running module. `lines` receives what it prints, already read as JSON."""

    name: str
    process: "subprocess.Popen[str]"
    log: Path
    lines: "queue.Queue[dict[str, object] | None]" = field(default_factory=queue.Queue)

    def next_line(self, timeout: float) -> dict[str, object]:
        """The next line.

        Raises:
            DemoBroken: It ended, or nothing came within `timeout` seconds.
        """
        try:
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            line = None
        if line is None:
            raise self.broken()
        return line

    def broken(self) -> DemoBroken:
        """The error for a part that does not do its work."""
        tail = self.log.read_text(errors="replace").strip()[-1500:] if self.log.exists() else ""
        code = self.process.poll()
        state = "does not answer" if code is None else f"ended with code {code}"
        return DemoBroken(f"the demo's {self.name} {state}\n{tail}".rstrip())

    def send(self, line: str) -> None:
        """Send it a line."""
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.write(line + "\n")
                self.process.stdin.flush()

    def stop(self) -> None:
        """Ask it to finish, then insist. Doing it twice does no harm."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


@contextmanager
def child(
    name: str,
    module: str,
    *arguments: str,
    directory: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """Run `python -m module` for as long as the block runs; its errors go to `<directory>/<name>.log`."""
    log = directory / f"{name}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C in the terminal reaches the tour alone
        )
    running = Child(name, process, log)
    reader = threading.Thread(target=_read, args=(running,), name=f"{name}-lines", daemon=True)
    try:
        reader.start()
        yield running
    finally:
        running.stop()
        reader.join(STOP_SECONDS)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _read(running: Child) -> None:
    if running.process.stdout is not None:
        for line in running.process.stdout:
            with suppress(ValueError):
                running.lines.put(json.loads(line))
    running.lines.put(None)
