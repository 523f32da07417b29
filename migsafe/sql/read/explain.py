"""EXPLAIN: with ANALYZE it does what it explains.

https://www.postgresql.org/docs/current/sql-explain.html
"""

from collections.abc import Callable

from migsafe.sql.cursor import Cursor
from migsafe.sql.grammar.match import match_rule
from migsafe.sql.operations import Operation, Query

_ANALYZE = frozenset({"analyze", "analyse"})
_OFF = frozenset({"false", "off", "0"})
_EXPLAINED = frozenset(
    {
        *("select", "insert", "update", "delete", "merge", "values", "with", "table", "("),
        *("create", "declare", "execute", "refresh"),
    }
)


def explain(cursor: Cursor, read: Callable[[Cursor], tuple[Operation, ...]]) -> tuple[Operation, ...]:
    """The statement behind `EXPLAIN`; `read` reads the statement that it explains."""
    analyze = False
    if cursor.word() == "(" and cursor.word(1) not in _EXPLAINED:
        options = match_rule("maintenance_options", cursor)
        if options is None:
            raise cursor.unexpected("options of EXPLAIN")
        for _, option in options:
            if option.word() in _ANALYZE:
                analyze = option.end - option.at < 2 or option.tokens.value(option.at + 1) not in _OFF
    else:
        analyze = bool(cursor.take_any("analyze", "analyse"))
        cursor.take("verbose")
    if cursor.word() not in _EXPLAINED:
        raise cursor.unexpected("a statement that has a plan")
    inner = read(cursor.part(cursor.at, cursor.end))
    cursor.rest()
    return inner if analyze else (Query(),)
