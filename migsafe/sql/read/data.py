"""Statements that read and write rows: which tables, and whether a WHERE limits them.

Their insides are not checked: only what an operation holds is looked for.
"""

from dataclasses import replace

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.expressions import functions_called
from migsafe.sql.grammar.match import match_rule
from migsafe.sql.keywords import RESERVED
from migsafe.sql.lex import TokenKind
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    CreateTable,
    Delete,
    Insert,
    Operation,
    Query,
    SetSetting,
    Truncate,
    Update,
)
from migsafe.sql.read.tables_read import skip_search_and_cycle, tables_read, takes_recursive

_MAX_DEPTH = 20
_ROW_LOCKS = frozenset({"update", "share", "no", "key"})
_AFTER_TABLE = frozenset({"union", "intersect", "except", "order", "limit", "offset", "fetch", "for"})
_NO_COLUMNS = frozenset({"select", "with", "table", "values", "("})
_QUERY_STARTS = frozenset({"select", "values", "table", "("})


def data_statement(cursor: Cursor, depth: int = 0) -> tuple[Operation, ...] | None:
    """A statement that reads or writes rows, or None when none stands here."""
    if depth > _MAX_DEPTH:
        raise Unreadable(f"queries are nested more than {_MAX_DEPTH} deep")
    match cursor.word():
        case "with":
            return _with(cursor, depth)
        case "insert":
            return _insert(cursor)
        case "update":
            return _update(cursor)
        case "delete":
            return _delete(cursor)
        case "merge":
            return _merge(cursor)
        case word if word in _QUERY_STARTS:
            return _query(cursor)
        case _:
            return None


def query_of(cursor: Cursor) -> Query:
    """What a query reads: the query of a view, or of a part of a program, in which INTO names no table."""
    if cursor.word() not in {"select", "values", "table", "with", "("}:
        raise cursor.unexpected("a query")
    if cursor.end - cursor.at < 2 and cursor.word() != "select":
        raise cursor.unexpected("more")
    return Query(
        tables=tables_read(cursor), functions=functions_called(cursor), for_update=_locks_rows(cursor)
    )


def reads_of(cursor: Cursor) -> Query:
    """What an expression, or a query whose SELECT is left out, reads and calls."""
    return Query(
        tables=tables_read(cursor, is_query=True),
        functions=functions_called(cursor),
        for_update=_locks_rows(cursor),
    )


def _with(cursor: Cursor, depth: int) -> tuple[Operation, ...]:
    whole = cursor.part(cursor.at, cursor.end)
    cursor.expect("with")
    takes_recursive(cursor)
    found: list[Operation] = []
    while True:
        cursor.identifier("the name of a WITH query")
        if cursor.word() == "(":
            cursor.inside()
        cursor.expect("as")
        cursor.take("not")
        cursor.take("materialized")
        inner = data_statement(cursor.inside(), depth + 1)
        if inner is None:
            raise Unreadable("a WITH query is none that is understood")
        found += [operation for operation in inner if not isinstance(operation, Query)]
        skip_search_and_cycle(cursor)
        if not cursor.take(","):
            break
    main = data_statement(cursor, depth + 1)
    if main is None:
        raise cursor.unexpected("SELECT, INSERT, UPDATE, DELETE or MERGE")
    last = main[-1]
    if isinstance(last, Query):
        last = replace(last, tables=tables_read(whole), functions=functions_called(whole))
    return (*found, *main[:-1], last)


def _insert(cursor: Cursor) -> tuple[Operation, ...]:
    cursor.expect("insert", "into")
    table = cursor.name("a table")
    if cursor.take("as"):
        cursor.identifier("an alias")
    if cursor.word() == "(" and cursor.word(1) not in _NO_COLUMNS:
        cursor.inside()
    if cursor.take("overriding"):
        cursor.one_of("user", "system")
        cursor.expect("value")
    if not cursor.at_words("default", "values") and cursor.word() not in {*_QUERY_STARTS, "with"}:
        raise cursor.unexpected("VALUES or a query")
    from_query = cursor.word() not in {"values", "default"} and cursor.word(1) != "values"
    if cursor.take("default"):
        cursor.expect("values")
    elif cursor.end - cursor.at < 2 and cursor.word() != "select":
        raise cursor.unexpected("more")
    cursor.rest()
    return (Insert(table=table, from_query=from_query),)


def _update(cursor: Cursor) -> tuple[Operation, ...]:
    cursor.expect("update")
    table, only = _target(cursor)
    _portion(cursor, "set")
    _alias(cursor, "set")
    cursor.expect("set")
    body = cursor.rest()
    if body.done:
        raise body.unexpected("a column")
    return (Update(table=table, only=only, has_where=_has_word(body, "where")),)


def _delete(cursor: Cursor) -> tuple[Operation, ...]:
    cursor.expect("delete", "from")
    table, only = _target(cursor)
    _portion(cursor, "using", "where", "returning")
    _alias(cursor, "using", "where", "returning")
    if cursor.word() not in {"", "using", "where", "returning"}:
        raise cursor.unexpected("USING, WHERE or RETURNING")
    return (Delete(table=table, only=only, has_where=_has_word(cursor.rest(), "where")),)


def _merge(cursor: Cursor) -> tuple[Operation, ...]:
    cursor.expect("merge", "into")
    table, only = _target(cursor)
    _alias(cursor, "using")
    cursor.expect("using")
    if not _has_word(cursor.rest(), "when"):
        raise Unreadable("MERGE has no WHEN")
    return (Insert(table=table, only=only, from_query=True),)


def _target(cursor: Cursor) -> tuple[Name, bool]:
    only = cursor.take("only")
    bracket = only and cursor.take("(")
    table = cursor.name("a table")
    if bracket:
        cursor.expect(")")
    if not only:
        cursor.take("*")
    return table, only


def _portion(cursor: Cursor, *next_words: str) -> None:
    """FOR PORTION OF, new in PostgreSQL 19: the part of a range that is changed, before any alias."""
    if not cursor.take("for", "portion", "of"):
        return
    cursor.identifier("a column")
    if cursor.word() == "(":
        cursor.inside()
    else:
        cursor.expect("from")
        cursor.before("to")
        cursor.expect("to")
        cursor.before("as", *next_words)


def _alias(cursor: Cursor, *next_words: str) -> None:
    if cursor.take("as") or (not cursor.done and cursor.word() not in next_words):
        cursor.identifier("an alias")


def _query(cursor: Cursor) -> tuple[Operation, ...]:
    start = cursor.at
    body = Cursor(cursor.text, cursor.tokens, start, cursor.end)
    if cursor.end - start < 2 and cursor.word() != "select":
        raise cursor.unexpected("a query")
    if cursor.word() == "table":
        _table_command(body.part(start, cursor.end))
    cursor.rest()
    if settings := _set_config(Cursor(body.text, body.tokens, start, body.end)):
        return settings
    into = _select_into(Cursor(body.text, body.tokens, start, body.end))
    query = Query(
        tables=tables_read(body),
        functions=functions_called(body),
        for_update=_locks_rows(body),
    )
    return (into,) if into else (query,)


def _table_command(cursor: Cursor) -> None:
    """TABLE t, and what may follow it as it may follow any SELECT."""
    cursor.expect("table")
    cursor.take("only")
    if cursor.word() != "(":
        cursor.name("a table")
        cursor.take("*")
        if not cursor.done and cursor.word() not in _AFTER_TABLE:
            raise cursor.unexpected("the end of the query")


def _set_config(cursor: Cursor) -> tuple[Operation, ...]:
    """SELECT set_config('name', 'value', is_local), once or more, and nothing else; otherwise nothing."""
    if not cursor.take("select"):
        return ()
    found: list[Operation] = []
    while not cursor.done:
        cursor.take("pg_catalog", ".")
        if not (cursor.at_words("set_config", "(")):
            return ()
        cursor.next()
        values = cursor.inside().listed(lambda here: here.next())
        kinds = [value.kind for value in values]
        if kinds != [TokenKind.STRING, TokenKind.STRING, TokenKind.WORD]:
            return ()
        found.append(
            SetSetting(name=values[0].value.lower(), value=values[1].value, local=values[2].value == "true")
        )
        if cursor.take("as"):
            cursor.identifier("an alias", label=True)
        if cursor.peek() is not None and not cursor.take(","):
            return ()
    return tuple(found)


def _select_into(cursor: Cursor) -> Operation | None:
    """The table that SELECT ... INTO makes, or None."""
    if cursor.word() != "select":
        return None
    whole = cursor.part(cursor.at, cursor.end)
    cursor.before("into", "from", "union", "intersect", "except")
    if not cursor.take("into"):
        return None
    called_so = cursor.kind(1) in {None, TokenKind.OTHER} or cursor.word(1) in RESERVED - {"table"}
    temporary = not called_so and bool(cursor.take_any("temporary", "temp"))
    cursor.take("unlogged")
    cursor.take("table")
    table = cursor.name("a table")
    query = Query(tables=tables_read(whole), functions=functions_called(whole))
    return CreateTable(table=table, temporary=temporary, as_query=True, query=query)


def _locks_rows(cursor: Cursor) -> bool:
    words = cursor.words
    return any(
        words[index] == "for" and words[index + 1] in _ROW_LOCKS for index in range(cursor.at, cursor.end - 1)
    )


def _has_word(cursor: Cursor, *words: str) -> bool:
    """Whether one of these words stands outside brackets."""
    here = Cursor(cursor.text, cursor.tokens, cursor.at, cursor.end)
    here.until(lambda at: at.word() in words)
    return not here.done


def truncate(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `TRUNCATE`."""
    cursor.take("table")
    targets = cursor.listed(_target)
    if cursor.take_any("restart", "continue"):
        cursor.expect("identity")
    cascade = cursor.cascade()
    cursor.expect_end()
    return tuple(Truncate(table=table, only=only, cascade=cascade) for table, only in targets)


def copy(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `COPY`."""
    cursor.take("binary")
    if cursor.word() == "(":
        inner = data_statement(cursor.inside())
        if inner is None or cursor.word() != "to":
            raise Unreadable("COPY of a query that is not understood")
        _copied(cursor)
        return inner
    table = cursor.name("a table")
    if cursor.word() == "(":
        cursor.inside()
    direction = cursor.word()
    _copied(cursor)
    return (Insert(table=table),) if direction == "from" else (Query(tables=(table,)),)


def _copied(cursor: Cursor) -> None:
    if match_rule("copied", cursor) is None or not cursor.done:
        raise cursor.unexpected("FROM or TO, a file, and options of COPY")
