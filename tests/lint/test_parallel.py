"""Work on several processes: the same results in the same order, whatever becomes of a process."""

import os
import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.parallel import processes_for, spread
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source

LINTER = Linter(shipped_rules())
HERE = os.getpid()
PIECES = (
    "CREATE TABLE t{0} (id int PRIMARY KEY, a int);",
    "ALTER TABLE t{0} ADD COLUMN b{1} text NOT NULL;",
    "ALTER TABLE t{0} ALTER COLUMN a TYPE bigint;",
    "CREATE INDEX i{1} ON t{0} (a);",
    "ALTER TABLE t{0} ADD CONSTRAINT c{1} CHECK (a > 0) NOT VALID;",
    "ALTER TABLE t{0} VALIDATE CONSTRAINT c{1};",
    "ALTER TABLE t{0} RENAME TO t{1};",
    "DROP TABLE IF EXISTS t{0};",
    "DO $$ BEGIN ALTER TABLE t{0} DROP COLUMN a; END $$;",
    "BEGIN; LOCK TABLE t{0}; ALTER TABLE t{1} SET SCHEMA s;",
    "SET search_path = s, public;",
    "CREATE TEMP TABLE t{0} (id int);",
    "ROLLBACK;",
    "COMMIT;",
    "-- migsafe: transaction always\nSET LOCAL search_path = s;",
    "nonsense {0};",
)


def history(seed: int, length: int = 80) -> list[Source]:
    chance = random.Random(seed)

    def text() -> str:
        pieces = chance.choices(PIECES, k=chance.randint(0, 4))
        return "\n".join(each.format(chance.randint(1, 5), chance.randint(1, 5)) for each in pieces)

    sources = [
        Source(path=f"{number:03}.sql", text=text(), judged=chance.random() < 0.9) for number in range(length)
    ]
    return [*sources[:-1], replace(sources[-1], problem="it is not text")]


@given(st.integers(), st.sampled_from([2, 3]))
@settings(max_examples=8)
def test_several_processes_find_what_one_finds(seed: int, processes: int) -> None:
    sources = history(seed)
    assert LINTER.lint(sources, LintOptions(), processes=processes) == LINTER.lint(sources, LintOptions())


@given(st.integers())
@settings(max_examples=15)
def test_what_is_context_only_leaves_the_same_schema_as_what_is_judged(seed: int) -> None:
    sources = [replace(source, judged=True) for source in history(seed, 30)]
    whole = LINTER.lint(sources, LintOptions()).files
    for number in (7, 29):
        context = [replace(source, judged=index == number) for index, source in enumerate(sources)]
        assert LINTER.lint(context, LintOptions()).files == (whole[number],)


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 500])
def test_results_come_in_the_order_of_the_tasks(count: int) -> None:
    found = spread(range(count), lambda number: (number, os.getpid()), processes=3)
    assert [number for number, _ in found] == list(range(count))
    assert any(process != HERE for _, process in found) == (count >= 32)


def _killed(number: int) -> int:
    if number == 40 and os.getpid() != HERE:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _cannot_be_sent(number: int) -> object:
    return (lambda: None) if os.getpid() != HERE else number


@pytest.mark.parametrize("work", [_killed, _cannot_be_sent])
def test_what_a_process_fails_to_do_is_done_here(work: object) -> None:
    assert spread(range(100), work, processes=2) == list(range(100))  # type: ignore[arg-type]


def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    assert spread(range(100), str, processes=2) == [str(number) for number in range(100)]


def test_an_error_is_raised_as_without_processes() -> None:
    with pytest.raises(ZeroDivisionError):
        spread(range(100), lambda number: 1 // (number - 50), processes=2)


def children() -> set[str]:
    """The processes that this one has started and not waited for, those of other tests among them."""
    return {
        pid
        for thread in Path("/proc/self/task").iterdir()
        for pid in (thread / "children").read_text().split()
    }


def test_whoever_stops_the_work_leaves_no_process_behind() -> None:
    def work(number: int) -> None:
        if os.getpid() == HERE and number > 60:
            raise KeyboardInterrupt
        signal.pause() if os.getpid() != HERE else None

    before = children()
    with pytest.raises(KeyboardInterrupt):
        spread(range(100), work, processes=2)
    assert children() == before


def test_few_scripts_are_judged_in_one_process() -> None:
    assert processes_for(1) == processes_for(20) == 1
