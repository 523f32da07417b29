"""Linting 2,000 files of 5 statements, cold and warm, against squawk on the same files in the same run.

python benchmarks/bench_lint.py      # makes an environment with the compiled sqlglot and squawk

Every figure is the best of some processes: wall seconds, and the peak memory of the process and its children.
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
    return Taken(seconds=seconds, megabytes=usage.ru_maxrss / 1024)


def best(*command: str | Path, folder: Path, cache: Path, cold: bool) -> Taken:
    """The best of some rounds; `cold`: with the cache emptied before each."""
    found: list[Taken] = []
    for _ in range(ROUNDS + (not cold)):
        if cold:
            shutil.rmtree(cache, ignore_errors=True)
        found.append(run(*command, folder=folder, cache=cache))
    # The first warm round filled the cache.
    return min(found if cold else found[1:], key=lambda taken: taken.seconds)


def environment(folder: Path) -> Path:
    """A folder of programs: migsafe with the compiled sqlglot, and squawk."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"{ROOT}[fast]", "squawk-cli"], check=True)
    return folder / "bin"


def row(name: str, taken: Taken, reference: Taken) -> str:
    """One line of the table."""
    ratio = taken.seconds / reference.seconds
    return f"{name:<34} {taken.seconds:8.3f} s {ratio:8.2f}x {taken.megabytes:8.0f} MB"


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
        squawk = best(programs / "squawk", "--reporter", "json", *files, folder=many, cache=cache, cold=True)
        migsafe = (programs / "migsafe", "lint", "--format", "json")
        cold = best(*migsafe, ".", folder=many, cache=cache, cold=True)
        warm = best(*migsafe, ".", folder=many, cache=cache, cold=False)
        print(f"{len(files):,} files of 5 statements, {os.cpu_count()} cores")
        print(row("squawk --reporter json", squawk, squawk))
        print(row("migsafe lint, cold (asked: 5x)", cold, squawk))
        print(row("migsafe lint, warm (asked: 1x)", warm, squawk))
        python = best(programs / "python", "-c", "pass", folder=one, cache=cache, cold=True)
        small_cold = best(*migsafe, "1.sql", folder=one, cache=cache, cold=True)
        small_warm = best(*migsafe, "1.sql", folder=one, cache=cache, cold=False)
        print(f"one file of 2 statements; python -c pass takes {python.seconds:.3f} s")
        print(row("migsafe lint, cold (asked: 0.25 s)", small_cold, python))
        print(row("migsafe lint, warm (asked: 0.12 s)", small_warm, python))


if __name__ == "__main__":
    main()
