"""Coverage-guided fuzzing of the reader, not part of `make test`.

    pip install atheris
    python -m tests.fuzz.fuzz_reading -max_total_time=3600 CORPUS_FOLDER

What it finds becomes a test in tests/sql/test_found_by_fuzzing.py.
"""

import sys
import time

import atheris

with atheris.instrument_imports(include=["migsafe"]):
    from migsafe.sql.script import read_script
    from migsafe.sql.split import split


def check(data: bytes) -> None:
    """Reads a text and checks what is promised of any text."""
    text = data.decode("utf-8", "surrogateescape" if data[:1] == b"\xff" else "replace")
    started = time.process_time()
    parts = split(text)
    joined = "".join(text[s.outer_start : s.outer_end] for s in parts.statements)
    if joined + text[parts.trailing_start :] != text:
        raise AssertionError("the spans do not join back to the text")
    for statement in read_script(text).statements:
        for part in statement.parts:
            if not statement.start <= part.start <= part.end <= statement.end:
                raise AssertionError(f"a part is outside of its statement: {part}")
    seconds = time.process_time() - started
    if seconds > 0.5 + len(text) * 0.0005:
        raise AssertionError(f"{seconds} s for {len(text)} characters")


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
