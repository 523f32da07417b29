"""All other statements of PostgreSQL 18, by command tag, with the object they name where that is easy.

https://www.postgresql.org/docs/18/sql-commands.html
"""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.lex import TokenKind
from migsafe.sql.names import Name
from migsafe.sql.operations import DropTable, LockTable, Operation, OtherStatement, Query

# Kinds of objects that CREATE, ALTER and DROP know, longest first where one begins another.
_OBJECTS = (
    ("access", "method"),
    ("aggregate",),
    ("cast",),
    ("collation",),
    ("conversion",),
    ("database",),
    ("default", "privileges"),
    ("domain",),
    ("event", "trigger"),
    ("extension",),
    ("foreign", "data", "wrapper"),
    ("foreign", "table"),
    ("function",),
    ("group",),
    ("large", "object"),
    ("materialized", "view"),
    ("operator", "class"),
    ("operator", "family"),
    ("operator",),
    ("owned", "by"),
    ("policy",),
    ("procedure",),
    ("publication",),
    ("role",),
    ("routine",),
    ("rule",),
    ("schema",),
    ("sequence",),
    ("server",),
    ("statistics",),
    ("subscription",),
    ("system",),
    ("tablespace",),
    ("text", "search", "configuration"),
    ("text", "search", "dictionary"),
    ("text", "search", "parser"),
    ("text", "search", "template"),
    ("transform",),
    ("trigger",),
    ("type",),
    ("user", "mapping"),
    ("user",),
    ("view",),
)
# Objects whose name comes first, so that it can be the target.
_NAMED_FIRST = frozenset(
    {
        "DOMAIN",
        "EXTENSION",
        "FOREIGN TABLE",
        "MATERIALIZED VIEW",
        "PUBLICATION",
        "SCHEMA",
        "SEQUENCE",
        "STATISTICS",
        "SUBSCRIPTION",
        "TYPE",
        "VIEW",
    }
)
# Objects that belong to a table, which stands after ON.
_ON_TABLE = frozenset({"POLICY", "RULE", "TRIGGER"})
_CREATE_PREFIXES = (
    "or",
    "replace",
    "temporary",
    "temp",
    "recursive",
    "constraint",
    "trusted",
    "procedural",
    "unlogged",
    "local",
    "global",
)
_SINGLE = {
    "analyse": "ANALYZE",
    "analyze": "ANALYZE",
    "call": "CALL",
    "checkpoint": "CHECKPOINT",
    "close": "CLOSE",
    "cluster": "CLUSTER",
    "comment": "COMMENT",
    "deallocate": "DEALLOCATE",
    "declare": "DECLARE CURSOR",
    "do": "DO",
    "execute": "EXECUTE",
    "fetch": "FETCH",
    "grant": "GRANT",
    "import": "IMPORT FOREIGN SCHEMA",
    "listen": "LISTEN",
    "load": "LOAD",
    "move": "MOVE",
    "notify": "NOTIFY",
    "prepare": "PREPARE",
    "reassign": "REASSIGN OWNED",
    "refresh": "REFRESH MATERIALIZED VIEW",
    "revoke": "REVOKE",
    "security": "SECURITY LABEL",
    "unlisten": "UNLISTEN",
    "vacuum": "VACUUM",
}
_MAY_STAND_ALONE = frozenset({"ANALYZE", "CHECKPOINT", "CLUSTER", "VACUUM", "FETCH", "MOVE"})
_LOCK_MODES = frozenset(
    {
        "access share",
        "row share",
        "row exclusive",
        "share update exclusive",
        "share",
        "share row exclusive",
        "exclusive",
        "access exclusive",
    }
)


def other_statement(cursor: Cursor) -> tuple[Operation, ...] | None:
    """A statement known by its first words, or None."""
    if cursor.take("lock"):
        return _lock(cursor)
    if cursor.take("show"):
        cursor.next()
        cursor.rest()
        return (Query(),)
    if cursor.word() in {"create", "alter", "drop"}:
        return _with_object(cursor, cursor.next().value)
    tag = _SINGLE.get(cursor.word())
    if tag is None:
        return None
    cursor.next()
    if cursor.done and tag not in _MAY_STAND_ALONE:
        raise cursor.unexpected("more")
    first = _single(cursor, tag)
    others = _further(cursor) if tag in {"VACUUM", "ANALYZE"} else ()
    cursor.rest()
    return (first, *(OtherStatement(tag=first.tag, target=name) for name in others))


def _further(cursor: Cursor) -> tuple[Name, ...]:
    """The tables behind the first, each with or without a list of columns."""
    names: list[Name] = []
    if cursor.word() == "(":
        cursor.inside()
    while cursor.take(","):
        cursor.take("only")
        names.append(cursor.name("a table"))
        cursor.take("*")
        if cursor.word() == "(":
            cursor.inside()
    return tuple(names)


def _single(cursor: Cursor, tag: str) -> OtherStatement:
    target: Name | None = None
    match tag:
        case "REFRESH MATERIALIZED VIEW":
            cursor.expect("materialized", "view")
            if cursor.take("concurrently"):
                tag = "REFRESH MATERIALIZED VIEW CONCURRENTLY"
            target = cursor.name("a materialized view")
        case "VACUUM" | "ANALYZE" | "CLUSTER":
            tag, target = _maintenance(cursor, tag)
        case "COMMENT":
            target = _comment(cursor)
        case "IMPORT FOREIGN SCHEMA":
            cursor.expect("foreign", "schema")
        case "REASSIGN OWNED":
            cursor.expect("owned", "by")
        case "SECURITY LABEL":
            cursor.expect("label")
    if tag.removesuffix(" FULL") not in {"VACUUM", "ANALYZE"}:
        cursor.rest()
    return OtherStatement(tag=tag, target=target)


def _maintenance(cursor: Cursor, tag: str) -> tuple[str, Name | None]:
    if cursor.word() == "(":
        options = cursor.inside()
        words = [token.value for token in options.tokens[options.at : options.end]]
        if "full" in words and words[words.index("full") + 1 : words.index("full") + 2] not in (
            ["false"],
            ["off"],
        ):
            tag = f"{tag} FULL"
    while word := cursor.take_any("full", "freeze", "verbose", "analyze", "analyse"):
        if word == "full":
            tag = f"{tag} FULL"
    if cursor.done:
        return tag, None
    cursor.take("only")
    name = cursor.name("a table")
    if tag == "CLUSTER" and cursor.take("on"):
        name = cursor.name("a table")
    return tag, name


def _comment(cursor: Cursor) -> Name | None:
    cursor.expect("on")
    target: Name | None = None
    if cursor.take("table") or cursor.take("view") or cursor.take("materialized", "view"):
        target = cursor.name()
    elif cursor.take("column"):
        parts = [cursor.identifier(label=True)]
        while cursor.take("."):
            parts.append(cursor.identifier(label=True))
        if len(parts) < 2:
            raise Unreadable("COMMENT ON COLUMN must name a table and a column")
        target = Name(parts[-2], parts[-3] if len(parts) > 2 else None)
    what = cursor.until(lambda here: here.word() == "is")
    if target is None and what.done:
        raise what.unexpected("an object")
    cursor.expect("is")
    if not cursor.take("null"):
        cursor.string("the comment")
    cursor.expect_end()
    return target


def _with_object(cursor: Cursor, verb: str) -> tuple[Operation, ...] | None:
    if verb == "create":
        while cursor.take_any(*_CREATE_PREFIXES):
            pass
    if cursor.word() == "language" or cursor.at_words("procedural", "language"):
        cursor.take("procedural")
        cursor.next()
        return _finish(cursor, verb, "LANGUAGE")
    for words in _OBJECTS:
        if cursor.take(*words):
            return _finish(cursor, verb, " ".join(words).upper())
    return None


def _finish(cursor: Cursor, verb: str, kind: str) -> tuple[Operation, ...]:
    if cursor.done:
        raise cursor.unexpected(f"the name of a {kind.lower()}")
    tag = f"{verb.upper()} {kind}"
    target: Name | None = None
    if kind in _NAMED_FIRST:
        if kind == "MATERIALIZED VIEW" and cursor.take("all", "in", "tablespace"):
            cursor.rest()
            return (OtherStatement(tag=tag),)
        if not cursor.skip_if_not_exists():
            cursor.skip_if_exists()
        if kind == "SCHEMA":
            return _schema(cursor, verb, tag)
        if verb == "drop":
            return _drop_many(cursor, tag)
        if kind != "STATISTICS" or cursor.word() != "on":
            target = cursor.name(f"a {kind.lower()}")
    elif kind in _ON_TABLE:
        target = _on_table(cursor)
    if kind == "STATISTICS" and verb == "create":
        cursor.until(lambda here: here.word() == "from")
        cursor.expect("from")
        target = cursor.name("a table")
    if verb != "drop" and kind in {"VIEW", "MATERIALIZED VIEW", "TRIGGER", "POLICY", "RULE"}:
        _needs_more(cursor, verb, kind)
    cursor.rest()
    return (OtherStatement(tag=tag, target=target),)


def _needs_more(cursor: Cursor, verb: str, kind: str) -> None:
    """CREATE VIEW and its like say more than a name; CREATE POLICY need not."""
    if cursor.done and not (verb == "create" and kind == "POLICY"):
        raise cursor.unexpected("more")
    if verb == "create" and kind.endswith("VIEW"):
        cursor.until(lambda here: here.word() == "as")
        cursor.expect("as")
        if cursor.done:
            raise cursor.unexpected("a query")


def _drop_many(cursor: Cursor, tag: str) -> tuple[Operation, ...]:
    names = cursor.listed(lambda here: here.name())
    cursor.cascade()
    cursor.expect_end()
    return tuple(OtherStatement(tag=tag, target=name) for name in names)


def _schema(cursor: Cursor, verb: str, tag: str) -> tuple[Operation, ...]:
    rest = cursor.rest()
    words = {token.value for token in rest.tokens[rest.at : rest.end] if token.kind is TokenKind.WORD}
    if verb == "create" and words & {"create", "grant"}:
        raise Unreadable("CREATE SCHEMA with other statements in it: write them as statements of their own")
    return (OtherStatement(tag=tag, target=None),)


def _on_table(cursor: Cursor) -> Name:
    """The table of a trigger, rule or policy: after ON, or after TO in a rule."""
    first = cursor.at

    def stop(here: Cursor) -> bool:
        # A rule's event comes first: ON INSERT TO t.
        event = here.word(1) in {"select", "insert", "update", "delete"}
        return here.at > first and ((here.word() == "on" and not event) or here.word() == "to")

    cursor.until(stop)
    cursor.one_of("on", "to")
    return cursor.name("a table")


def _lock(cursor: Cursor) -> tuple[Operation, ...]:
    cursor.take("table")

    def one(here: Cursor) -> tuple[Name, bool]:
        only = here.take("only")
        name = here.name("a table")
        here.take("*")
        return name, only

    tables = cursor.listed(one)
    mode = "access exclusive"
    if cursor.take("in"):
        words: list[str] = []
        while not cursor.done and cursor.word() != "mode":
            words.append(cursor.next().value)
        cursor.expect("mode")
        mode = " ".join(words)
        if mode not in _LOCK_MODES:
            raise Unreadable(f"{mode.upper()} is no lock mode")
    nowait = cursor.take("nowait")
    cursor.expect_end()
    return tuple(
        LockTable(table=table, only=only, mode=mode.upper(), nowait=nowait) for table, only in tables
    )


def drop_table(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `DROP TABLE`."""
    if_exists = cursor.skip_if_exists()
    tables = cursor.listed(lambda here: here.name("a table"))
    cascade = cursor.cascade()
    cursor.expect_end()
    return tuple(DropTable(table=table, if_exists=if_exists, cascade=cascade) for table in tables)
