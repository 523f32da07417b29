"""The transactions that Alembic begins and ends around a revision's statements on a server.

A revision runs in one transaction, with `transaction_per_migration` its own and otherwise that of the whole
run; so it does with `transactional_ddl = False`, which only takes BEGIN and COMMIT out of offline SQL.
autocommit_block() commits it, runs its statements outside any, and begins the next one, in which the version
is stamped. After connection.commit() it no longer commits: what follows is lost when the connection ends.
https://alembic.sqlalchemy.org/en/latest/api/runtime.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .recorder import Recorder, real

_BEGIN, _COMMIT = "BEGIN;", "COMMIT;"


def autocommit_block(recorder: Recorder) -> Any:
    """What stands for MigrationContext.autocommit_block()."""

    @contextlib.contextmanager
    def block() -> Iterator[None]:
        recorder.shows_transactions = True
        recorder.sql(_COMMIT, by_tool=True)
        try:
            yield
        finally:
            recorder.sql(_BEGIN, by_tool=True)

    return block


def show_transactions(recorder: Recorder, function: Any) -> None:
    """Puts Alembic's own BEGIN and COMMIT around the statements; transactions without any are left out.

    `function` is the one of the revision whose statements they are: its first line is where it begins.
    """
    code: Any = getattr(function, "__code__", None)
    is_own = code is not None and real(code.co_filename) == recorder.path
    place = {"line": code.co_firstlineno} if is_own else None
    said = [{"text": _BEGIN, "place": place, "by_tool": True}, *recorder.statements]
    if not recorder.lost_transaction:
        said.append({"text": _COMMIT, "place": said[-1]["place"], "by_tool": True})
    kept: list[dict[str, Any]] = []
    behind: list[int] = []  # how many are kept before each
    for statement in said:
        behind.append(len(kept))
        if statement["by_tool"] and statement["text"] == _COMMIT and kept and kept[-1]["text"] == _BEGIN:
            kept.pop()
        else:
            kept.append(statement)
    if kept and kept[-1]["by_tool"] and kept[-1]["text"] == _BEGIN:
        kept.pop()
    for problem in recorder.problems:
        problem["before"] = min(behind[problem["before"] + 1], len(kept))
    recorder.statements = kept
