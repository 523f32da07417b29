"""CREATE VIEW: its columns where they are said, and what its query reads."""

from migsafe.sql.changes import CreateView, SchemaChange
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.lex import Token, TokenKind
from migsafe.sql.names import Name

# In the brackets of these, FROM names no relation: extract(year FROM at).
_FROM_INSIDE = frozenset({"extract", "trim", "substring", "overlay", "position", "ltrim", "rtrim", "btrim"})
_QUERY = frozenset({"select", "with", "values", "table"})
_ENDS = frozenset(
    {"where", "group", "having", "window", "order", "limit", "offset", "fetch", "for", "union", "except"}
) | {"intersect", ")", ";"}


def create_view(
    cursor: Cursor, *, materialized: bool, temporary: bool, replaces: bool
) -> tuple[SchemaChange, ...]:
    """The statement behind `CREATE [MATERIALIZED] VIEW`."""
    if_not_exists = cursor.skip_if_not_exists()
    name = cursor.name("a view")
    columns: tuple[str, ...] = ()
    if cursor.word() == "(":
        columns = cursor.inside().listed(lambda here: here.identifier("a column"))
    cursor.until(lambda here: here.word() == "as")
    cursor.expect("as")
    return (
        CreateView(
            name=name,
            columns=columns,
            reads=relations_read(cursor),
            materialized=materialized,
            temporary=temporary,
            replaces=replaces,
            if_not_exists=if_not_exists,
        ),
    )


def relations_read(query: Cursor) -> tuple[Name, ...]:
    """The relations that a query names, at any depth, without the names of its WITH queries."""
    tokens = query.tokens
    found: dict[Name, None] = {}
    openers: list[int] = []
    for at in range(query.at, query.end):
        word = tokens[at].value if tokens[at].kind in {TokenKind.WORD, TokenKind.OTHER} else ""
        if word in {"(", "["}:
            openers.append(at)
        elif word in {")", "]"} and openers:
            openers.pop()
        here = Cursor(query.text, tokens, at + 1, query.end)
        if word == "from" and _lists_relations(tokens, at, openers):
            _from_list(here, found)
        elif word == "join" or (
            word == "table" and (at == query.at or tokens[at - 1].value in {"(", "as", "union", "all"})
        ):
            _item(here, found)
    local = _with_names(query)
    return tuple(name for name in found if name.schema or name.name not in local)


def _lists_relations(tokens: tuple[Token, ...], at: int, openers: list[int]) -> bool:
    if at and tokens[at - 1].kind is TokenKind.WORD and tokens[at - 1].value == "distinct":
        # SELECT DISTINCT FROM is no way to write a query; IS DISTINCT FROM is an operator.
        return False
    called = tokens[openers[-1] - 1].value if openers and openers[-1] else ""
    return called not in _FROM_INSIDE


def _from_list(cursor: Cursor, found: dict[Name, None]) -> None:
    while True:
        _item(cursor, found)
        try:
            cursor.until(lambda here: here.word() == "," or here.word() in _ENDS)
        except Unreadable:
            return
        if not cursor.take(","):
            return


def _item(cursor: Cursor, found: dict[Name, None]) -> None:
    """One relation of FROM or JOIN; queries and calls are left alone."""
    cursor.take("lateral")
    cursor.take("only")
    if cursor.word() == "(":
        inner = Cursor(cursor.text, cursor.tokens, cursor.at + 1, cursor.end)
        while inner.take("("):
            pass
        if inner.word() not in _QUERY:
            _item(inner, found)
        cursor.inside()
        return
    if cursor.at_words("rows", "from"):
        return
    start = cursor.at
    try:
        name = cursor.name()
    except Unreadable:
        cursor.at = start
        return
    if cursor.word() != "(":
        found[name] = None


def _with_names(query: Cursor) -> frozenset[str]:
    """Names that stand before AS (, AS MATERIALIZED ( and their like: WITH queries."""
    tokens, names = query.tokens, set[str]()
    for at in range(query.at, query.end - 1):
        here = Cursor(query.text, tokens, at, query.end)
        if not here.take("as"):
            continue
        here.take("not")
        here.take("materialized")
        if here.word() != "(" or here.word(1) not in _QUERY | {"(", "insert", "update", "delete"}:
            continue
        before = at - 1
        if tokens[before].value == ")":
            while before > query.at and tokens[before].value != "(":
                before -= 1
            before -= 1
        names.add(tokens[before].value)
    return frozenset(names)
