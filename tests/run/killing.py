"""Kills the runner, again and again, until it gets through."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DRIVER = Path(__file__).parent / "drive.py"
START = "start"  # the moment at which the process is started


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill when this line, or a later one of the plan, was printed, and up to so many seconds later."""

    after: str
    within: float


@dataclass(frozen=True, slots=True)
class Killed:
    """Where a run was when it was killed: the last line that it printed."""

    line: str


def run_and_kill(
    plan_file: Path,
    dsn: str,
    kills: Sequence[Kill],
    rng: random.Random,
    *,
    rows_per_second: int | None = None,
) -> list[Killed]:
    """Run the plan to its end, killing it as planned; what is killed is started again at once.

    `rows_per_second` keeps it from being over before it is killed, however fast the machine is.
    """
    words = [str(plan_file), dsn, *([str(rows_per_second)] if rows_per_second else [])]
    done: list[Killed] = []
    for kill in kills:
        line = _run(words, kill, rng)
        if line is None:
            return done
        done.append(Killed(line))
        print(f"killed after {line!r}")  # noqa: T201 - pytest shows it when a test fails
    assert _run(words, None, rng) is None
    return done


def _run(words: Sequence[str], kill: Kill | None, rng: random.Random) -> str | None:
    process = subprocess.Popen(
        [sys.executable, DRIVER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines = [START]

    def read() -> None:
        assert process.stdout is not None
        lines.extend(line.strip() for line in process.stdout)

    reader = threading.Thread(target=read)
    with process:
        reader.start()
        if kill is not None:
            _wait_for(process, lines, kill.after)
            time.sleep(rng.uniform(0, kill.within))
            process.kill()
        assert process.stderr is not None
        errors = process.stderr.read()
        reader.join()
    if process.returncode == 0:
        return None
    assert process.returncode == -9, errors
    return lines[-1]


def _wait_for(process: "subprocess.Popen[str]", lines: list[str], wanted: str) -> None:
    """Until the process printed the line, or one of a later step, or ended."""
    while process.poll() is None:
        if wanted in lines or (wanted != START and any(_is_later(line, wanted) for line in lines)):
            return
        time.sleep(0.001)


def _is_later(line: str, wanted: str) -> bool:
    """Lines of steps carry their position in the plan, so that they compare: `step 03 ...`."""
    return line.startswith("step") and line > wanted
