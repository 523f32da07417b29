"""Reading scripts against sqlglot.parse and squawk, with the pure and the compiled build of sqlglot.

python benchmarks/bench_reading.py            # both builds; makes an environment for the compiled one
python benchmarks/bench_reading.py --here     # this interpreter's build alone
"""

import json
import logging
import random
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

FILES = 2_000
STATEMENTS_PER_FILE = 5
ROUNDS = 3
ROOT = Path(__file__).parent.parent
TEMPLATES = (Path(__file__).parent / "reading.sql").read_text().split("\n\n")
TABLES = ("orders", "users", "invoices", "items", "payments", "events", "sessions", "tokens")
COLUMNS = ("status", "email", "phone", "total", "state", "country", "label", "region")


def scripts() -> list[str]:
    """2,000 scripts of 5 statements: what migrations are made of, always the same ones."""
    chance = random.Random(1)
    return [
        "\n".join(
            chance.choice(TEMPLATES)
            .strip()
            .replace("TABLE_1", f"{chance.choice(TABLES)}{chance.randint(1, 99)}")
            .replace("COLUMN_1", chance.choice(COLUMNS))
            for _ in range(STATEMENTS_PER_FILE)
        )
        for _ in range(FILES)
    ]


def seconds(work: Callable[[], object]) -> float:
    """The best of some rounds, in seconds of this process: others on the machine do not count."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def measure() -> dict[str, float | str]:
    """What this interpreter's build of sqlglot takes, and what migsafe takes with it."""
    logging.disable(logging.CRITICAL)
    import sqlglot  # noqa: PLC0415 -- the build under test is chosen by the interpreter
    from sqlglot import parser  # noqa: PLC0415

    from migsafe.sql.script import read_script  # noqa: PLC0415

    texts = scripts()
    ours = seconds(lambda: [read_script(text) for text in texts])
    theirs = seconds(lambda: [sqlglot.parse(text, read="postgres") for text in texts])
    unread = sum(bool(s.unread) for text in texts for s in read_script(text).statements)
    build = "compiled" if str(parser.__file__).endswith(".so") else "pure"
    return {"build": build, "migsafe": ours, "sqlglot.parse": theirs, "unread": unread}


def squawk(program: Path) -> float | None:
    """Squawk on the same files, in seconds of processor time; it also judges them, which reading does not."""
    if not program.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(scripts()):
            (Path(folder) / f"{number:04}.sql").write_text(text)
        started = time.perf_counter()
        files = sorted(str(path) for path in Path(folder).iterdir())
        subprocess.run([str(program), *files], capture_output=True, check=False)
        return time.perf_counter() - started


def report(found: dict[str, float | str]) -> None:
    """One build's numbers."""
    ours, theirs = float(found["migsafe"]), float(found["sqlglot.parse"])
    count = FILES * STATEMENTS_PER_FILE
    print(
        f"{found['build']:>8} sqlglot.parse {theirs:6.2f} s   migsafe {ours:6.2f} s"
        f"   ratio {ours / theirs:.2f}   ({ours / count * 1e6:.0f} us a statement, {found['unread']} unread)"
    )


def main() -> None:
    """Measures both builds; the compiled one in an environment of its own."""
    if "--json" in sys.argv:
        print(json.dumps(measure()))
        return
    report(measure())
    if "--here" in sys.argv:
        return
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "sqlglot[c]>=30"], check=True)
        made = subprocess.run(
            [python, __file__, "--json"],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(ROOT)},
        )
        report(json.loads(made.stdout))
        subprocess.run([*pip, "squawk-cli"], check=False)
        taken = squawk(Path(folder) / "bin" / "squawk")
        print(
            f"  squawk on the same files: {taken:.2f} s" if taken is not None else "  squawk: not installed"
        )


if __name__ == "__main__":
    main()
