"""Which tables a query reads: what stands in FROM, JOIN and USING at any depth, WITH queries left out.

https://www.postgresql.org/docs/current/sql-select.html#SQL-FROM
"""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.names import Name

_MAX_DEPTH = 500
_QUERY = frozenset({"select", "with", "values", "table", "insert", "update", "delete", "merge"})
_ENDS_FROM = frozenset(
    {
        *("where", "group", "having", "window", "order", "limit", "offset", "fetch", "for", "union"),
        *("intersect", "except", "returning", "when", "set", "select"),
    }
)
_BEFORE_QUERY = frozenset({"union", "intersect", "except", "all", "distinct"})


def tables_read(cursor: Cursor, *, is_query: bool = False) -> tuple[Name, ...]:
    """The tables that the query from here to the cursor's end names, each once.

    `is_query` says that it is one although SELECT does not stand there.
    """
    found: dict[Name, None] = {}
    whole = cursor.part(cursor.at, cursor.end)
    _walk(whole, frozenset(), found, depth=0, in_from=False, selects=is_query)
    return tuple(found)


def _walk(  # noqa: C901, PLR0912 -- one flat table: word, what it means for the tables behind it
    cursor: Cursor,
    hidden: frozenset[str],
    found: dict[Name, None],
    *,
    depth: int,
    in_from: bool,
    selects: bool = False,
) -> None:
    """One level of brackets; `in_from`: it stands where a table may stand."""
    if depth > _MAX_DEPTH:
        raise Unreadable(f"brackets are nested more than {_MAX_DEPTH} deep")
    first = cursor.word()
    in_from = in_from and first not in _QUERY
    if first == "with":
        hidden = _with(cursor, hidden, found, depth)
        first = cursor.word()
    selects = selects or first in {"update", "delete"}
    if in_from:
        hidden = _item(cursor, hidden, found, depth)
    elif first in {"insert", "update", "delete", "merge"}:
        _target(cursor, found)
    words, start, end = cursor.words, cursor.at, cursor.end
    while cursor.at < end:
        word = words[cursor.at]
        before = words[cursor.at - 1] if cursor.at > start else ""
        cursor.at += 1
        if word == "(":
            close = cursor.closing(cursor.at - 1)
            _walk(cursor.part(cursor.at, close), hidden, found, depth=depth + 1, in_from=False)
            cursor.at = close + 1
        elif word == "," and in_from:
            _item(cursor, hidden, found, depth)
        elif not word or before in {".", "as"}:
            continue
        elif word == "select":
            selects, in_from = True, False
        elif (
            word == "join"
            or (word == "using" and first in {"delete", "merge"} and not in_from)
            or (word == "from" and selects and not _is_distinct_from(words, cursor.at - 1))
        ):
            in_from = True
            _item(cursor, hidden, found, depth)
        elif word == "table" and (before in _BEFORE_QUERY or cursor.at == start + 1):
            _item(cursor, hidden, found, depth)
        elif word == "with" and not in_from and words[cursor.at - 2] != "(" and first == "insert":
            cursor.at -= 1
            hidden = _with(cursor, hidden, found, depth)
        elif word in _ENDS_FROM:
            in_from = False


def _with(cursor: Cursor, hidden: frozenset[str], found: dict[Name, None], depth: int) -> frozenset[str]:
    """Goes over a WITH clause; gives the names that are no tables behind it."""
    start = cursor.at
    cursor.at += 1
    recursive = takes_recursive(cursor)
    queries: list[tuple[str, Cursor]] = []
    try:
        while True:
            name = cursor.identifier()
            if cursor.word() == "(":
                cursor.inside()
            cursor.expect("as")
            cursor.take("not")
            cursor.take("materialized")
            queries.append((name, cursor.inside()))
            skip_search_and_cycle(cursor)
            if not cursor.take(","):
                break
    except Unreadable:
        cursor.at = start + 1  # WITH TIES, WITH ORDINALITY: no clause of its own
        return hidden
    everything = hidden | {name for name, _ in queries}
    for index, (_, query) in enumerate(queries):
        visible = everything if recursive else hidden | {name for name, _ in queries[:index]}
        _walk(query, visible, found, depth=depth + 1, in_from=False)
    return everything


def takes_recursive(cursor: Cursor) -> bool:
    """Goes over RECURSIVE behind WITH; a query may also be called so."""
    return cursor.word(1) not in {"as", "("} and cursor.take("recursive")


def skip_search_and_cycle(cursor: Cursor) -> None:
    """Goes over what may follow a recursive query of WITH."""
    if cursor.take("search"):
        cursor.one_of("depth", "breadth")
        cursor.expect("first", "by")
        cursor.listed(lambda here: here.identifier("a column"))
        cursor.expect("set")
        cursor.identifier("a column")
    if cursor.take("cycle"):
        cursor.listed(lambda here: here.identifier("a column"))
        cursor.expect("set")
        cursor.identifier("a column")
        if cursor.take("to"):
            cursor.before("default")
            cursor.expect("default")
            cursor.before("using")
        cursor.expect("using")
        cursor.identifier("a column")


def _item(cursor: Cursor, hidden: frozenset[str], found: dict[Name, None], depth: int) -> frozenset[str]:
    """One table, function, query or join in brackets."""
    cursor.take("lateral")
    if cursor.at_words("rows", "from", "("):
        cursor.at += 2
        return hidden
    only = cursor.take("only")
    if cursor.word() == "(":
        inside = cursor.inside()
        _walk(inside, hidden, found, depth=depth + 1, in_from=True)
        return hidden
    start = cursor.at
    try:
        name = cursor.name()
    except Unreadable:
        cursor.at = start
        return hidden
    is_call = cursor.word() == "(" and not only
    if not is_call and not (name.schema is None and name.name in hidden):
        found[name] = None
    return hidden


def _target(cursor: Cursor, found: dict[Name, None]) -> None:
    """The table that INSERT, UPDATE, DELETE or MERGE changes."""
    cursor.at += 1
    cursor.take_any("into", "from")
    bracket = cursor.take("only") and cursor.take("(")
    try:
        found[cursor.name()] = None
    except Unreadable:
        return
    if bracket:
        cursor.take(")")


def _is_distinct_from(words: list[str], index: int) -> bool:
    return index >= 2 and words[index - 1] == "distinct" and words[index - 2] in {"is", "not"}
