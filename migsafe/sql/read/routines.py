"""Functions, procedures and DO blocks.

https://www.postgresql.org/docs/current/sql-createfunction.html
"""

from migsafe.sql.changes import CreateFunction, NotFollowed, SchemaChange
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.grammar import Found
from migsafe.sql.grammar.primitives import COPIED
from migsafe.sql.lex import TokenKind
from migsafe.sql.operations import OpaqueCode, Operation, OtherStatement, TypeName


def create_routine(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    """What the grammar found in CREATE FUNCTION or CREATE PROCEDURE."""
    body, start = _body(found, cursor)
    if found.first("sql_body") is not None:
        inside: Cursor = found.first("sql_body")
        body, start = inside.source(), cursor.tokens.starts[inside.at] - cursor.tokens.starts[found.start]
    if found.first("returns_table") is not None and any(
        argument.mode not in {"in", "variadic"} for argument in found.all("parameter")
    ):
        raise Unreadable("a function that returns a table has no OUT parameters")
    return (
        OtherStatement(
            tag=found.tag,
            target=found.first("target"),
            changes=(_change(found, cursor, body, start),),
        ),
    )


def _change(found: Found, cursor: Cursor, body: str, body_start: int) -> SchemaChange:
    taken = tuple(each.type for each in found.all("parameter") if each.mode != "out")
    if any(each.name.endswith(COPIED) for each in taken):
        return NotFollowed(reason=f"{found.tag}: a type that is copied from a column is not followed")
    returns: TypeName | None = found.first("returns")
    volatility = found.all("volatility")
    kind = "procedure" if found.tag == "CREATE PROCEDURE" else "function"
    return CreateFunction(
        kind="window" if found.first("window") is not None else kind,
        name=found.first("target"),
        arguments=taken,
        volatility=volatility[-1].word() if volatility else None,
        returns=None if returns is None or found.first("copied") is not None else returns,
        language=_language(found, "sql" if found.first("sql_body") is not None else "") or None,
        replaces=cursor.words[found.start + 1] == "or",
        body=body,
        body_start=body_start,
    )


def do_block(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    """A DO block before anybody looked into it: opaque, with its text."""
    body, start = _body(found, cursor)
    return (
        OpaqueCode(
            tag="DO", reason="what DO runs", language=_language(found, "plpgsql"), body=body, body_start=start
        ),
    )


def _language(found: Found, default: str) -> str:
    part: Cursor | None = found.first("language")
    return part.tokens.value(part.at).lower() if part is not None else default


def _body(found: Found, cursor: Cursor) -> tuple[str, int]:
    """The body's text, and where it stands in the statement: -1 where it is written with escapes."""
    text = found.first("body")
    if text is None:
        return "", -1
    tokens = cursor.tokens
    first = tokens.starts[found.start]
    for index in range(found.start, cursor.end):
        if tokens.kinds[index] is TokenKind.STRING and tokens.value(index) == text:
            source = tokens.text[tokens.starts[index] : tokens.ends[index]]
            at = source.find(text)
            return text, tokens.starts[index] + at - first if at >= 0 and text else -1
    return text, -1
