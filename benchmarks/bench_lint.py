"""Linting 2,000 files of 5 statements, cold and warm, against squawk on the same files in the same run.

python benchmarks/bench_lint.py      # makes an environment with the compiled sqlglot and squawk

Every figure is the best of some processes, whose rounds alternate, so that a busy minute of the machine hits
all of them: wall seconds, processor seconds (of all threads, user and system), and the peak memory
of the process. Ratios of processor seconds mean something on a busy machine, too; squawk works on all cores.
Cold is without a cache, but with the files in the memory of the system and Python's own byte code written.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from bench_reading import scripts

ROUNDS = 5
ROOT = Path(__file__).parent.parent
SMALL = "SET lock_timeout = '2s';\nALTER TABLE users ADD COLUMN nickname text;\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a process took."""

    seconds: float
    processor: float
    megabytes: float


def run(*command: str | Path, folder: Path, cache: Path) -> Taken:
    """One process from start to end; what it finds does not matter here."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode not in (0, 1):
        sys.exit(f"{command[0]} failed with {process.returncode}")
    return Taken(seconds=seconds, processor=usage.ru_utime + usage.ru_stime, megabytes=usage.ru_maxrss / 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """What is measured; `cold`: without what an earlier round left in the cache."""

    name: str
    command: tuple[str | Path, ...]
    cold: bool = True


def measure(contenders: list[Contender], folder: Path, cache: Path) -> list[Taken]:
    """The best of some rounds for each; they take turns. Each has a cache of its own."""
    found: list[list[Taken]] = [[] for _ in contenders]
    for number in range(ROUNDS + 1):
        for place, contender in enumerate(contenders):
            own = cache / str(place)
            if contender.cold:
                shutil.rmtree(own, ignore_errors=True)
            taken = run(*contender.command, folder=folder, cache=own)
            if number:  # the round before the first fills what a warm one uses
                found[place].append(taken)
    return [
        Taken(
            seconds=min(taken.seconds for taken in each),
            processor=min(taken.processor for taken in each),
            megabytes=max(taken.megabytes for taken in each),
        )
        for each in found
    ]


def environment(folder: Path) -> Path:
    """A folder of programs: migsafe with the compiled sqlglot, and squawk."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"{ROOT}[fast]", "squawk-cli"], check=True)
    return folder / "bin"


def row(name: str, taken: Taken, reference: Taken) -> str:
    """One line of the table."""
    wall, processor = taken.seconds / reference.seconds, taken.processor / reference.processor
    return (
        f"{name:<34} {taken.seconds:8.3f} s {wall:6.2f}x {taken.processor:8.3f} s {processor:6.2f}x "
        f"{taken.megabytes:6.0f} MB"
    )


def table(contenders: list[Contender], folder: Path, cache: Path) -> None:
    """Measures and prints; the first is what the others are compared with."""
    taken = measure(contenders, folder, cache)
    print(f"{'':<34} {'wall':>10} {'':>7} {'processor':>10} {'':>7} {'peak':>9}")
    for contender, each in zip(contenders, taken, strict=True):
        print(row(contender.name, each, taken[0]))


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = environment(folder / "programs")
        many, one, cache = folder / "many", folder / "one", folder / "cache"
        many.mkdir()
        one.mkdir()
        for number, text in enumerate(scripts()):
            (many / f"{number:04}.sql").write_text(text)
        (one / "1.sql").write_text(SMALL)
        files = sorted(path.name for path in many.iterdir())
        lint = (programs / "migsafe", "lint", "--format", "json")
        print(f"{len(files):,} files of 5 statements, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        contenders = [
            Contender(
                name="squawk --reporter json", command=(programs / "squawk", "--reporter", "json", *files)
            ),
            Contender(name="migsafe lint, cold (asked: 5x)", command=(*lint, ".")),
            Contender(name="migsafe lint, warm (asked: 1x)", command=(*lint, "."), cold=False),
        ]
        table(contenders, many, cache)
        print(f"one file of 2 statements, load {os.getloadavg()[0]:.1f}")
        contenders = [
            Contender(name="python -c pass", command=(programs / "python", "-c", "pass")),
            Contender(name="migsafe lint, cold (asked: 0.25 s)", command=(*lint, "1.sql")),
            Contender(name="migsafe lint, warm (asked: 0.12 s)", command=(*lint, "1.sql"), cold=False),
        ]
        table(contenders, one, cache)


if __name__ == "__main__":
    main()
