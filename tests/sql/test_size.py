"""Big dumps fit into little memory, and both builds of sqlglot do the same."""

import os
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEGABYTES = 50

COPY = """
lines = ["SET a.b = 0;\\n", "CREATE TABLE t (a int, b text);\\n", "COPY t (a, b) FROM stdin;\\n"]
line = "123456\\tit's; a $$ row \\"of\\" a -- dump /* with all of it\\n"
lines += [line] * (SIZE // len(line)) + ["\\\\.\\n", "ALTER TABLE t ADD c int;\\n"]
"""
INSERTS = """
line = "INSERT INTO s.t VALUES (123456, 'it''s; a $$ row \\"of\\" a -- dump /* with all of it', NULL);\\n"
lines = [line] * (SIZE // len(line)) + ["ALTER TABLE t ADD c int;\\n"]
"""
ONE_INSERT = """
line = "(123456, 'it''s; a $$ row \\"of\\" a -- dump /* with all', NULL),\\n"
lines = ["INSERT INTO s.t VALUES "] + [line] * (SIZE // len(line)) + ["(1);ALTER TABLE t ADD c int"]
"""


@pytest.mark.proof
@pytest.mark.parametrize("made", [COPY, INSERTS, ONE_INSERT], ids=["copy", "inserts", "one_insert"])
def test_a_dump_of_50_mb_is_read_in_less_than_300_mb(made: str) -> None:
    program = f"SIZE = {MEGABYTES} * 1024 * 1024\n{made}" + textwrap.dedent("""
        import re
        from migsafe.sql.script import read_lazily
        text = "".join(lines)
        del lines
        last, unread = None, 0
        for statement in read_lazily(text):
            last, unread = statement.operations[0].kind, unread + (statement.unread is not None)
        # Not ru_maxrss, which begins with what the process that started this one takes.
        (kilobytes,) = re.findall(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
        print(last, unread, int(kilobytes) // 1024)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT
    )
    last, unread, megabytes = done.stdout.split()
    assert (last, unread) == ("add_column", "0")
    assert MEGABYTES < int(megabytes) < 300


@pytest.mark.proof
def test_the_compiled_build_of_sqlglot_reads_the_same(tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=True)
    python = str(tmp_path / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = ["sqlglot[c]>=30", "pytest>=9", "pytest-timeout", "hypothesis", "pglast>=8.8", "psycopg[binary]"]
    subprocess.run([*pip, *wanted], check=True)
    built = "import sqlglot.parser as p; assert p.__file__.endswith('.so'), p.__file__"
    subprocess.run([python, "-c", built], check=True)
    names = (
        "test_oracle",
        "test_split",
        "test_any_text",
        "test_blocks",
        "test_placeholders",
        "test_generated",
    )
    tests = [f"tests/sql/{name}.py" for name in names]
    alone = ["-c", os.devnull, "--rootdir", str(ROOT), "--noconftest", "--import-mode=importlib"]
    subprocess.run([python, "-m", "pytest", "-q", "-m", "not proof", *alone, *tests], check=True, cwd=ROOT)
