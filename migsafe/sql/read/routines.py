"""Functions, procedures and DO blocks.

https://www.postgresql.org/docs/current/sql-createfunction.html
"""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.grammar import Found
from migsafe.sql.lex import TokenKind
from migsafe.sql.objects import Argument, CreateRoutine, OpaqueCode, RenameObject, RoutineStatement
from migsafe.sql.operations import Operation


def create_routine(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    """What the grammar found in CREATE FUNCTION or CREATE PROCEDURE."""
    language = _language(found, "sql")
    body, start = _body(found, cursor)
    if found.first("sql_body") is not None:
        inside: Cursor = found.first("sql_body")
        body, start = inside.source(), cursor.tokens.starts[inside.at]
    if found.first("returns_table") is not None and any(
        argument.mode not in {"in", "variadic"} for argument in found.all("parameter")
    ):
        raise Unreadable("a function that returns a table has no OUT parameters")
    volatility = found.all("volatility")
    return (
        CreateRoutine(
            tag=found.tag,
            target=found.first("target"),
            arguments=found.all("parameter"),
            returns=found.first("returns"),
            language=language,
            volatility=volatility[-1].word() if volatility else "volatile",
            or_replace=cursor.words[1] == "or",
            body=body,
            body_start=start,
        ),
    )


def alter_or_drop_routine(found: Found, _: Cursor) -> tuple[Operation, ...]:
    """What the grammar found in ALTER or DROP of a function, procedure or routine."""
    if (new_name := found.first("new_name")) is not None:
        return (RenameObject(tag=found.tag, target=found.first("target"), new_name=new_name),)
    volatility = found.first("volatility")
    behaviour = found.first("cascade")
    made: list[RoutineStatement] = []
    arguments: tuple[Argument, ...] | None
    for index, target in enumerate(found.all("target")):
        arguments = _arguments_of(found, index)
        made.append(
            RoutineStatement(
                tag=found.tag,
                target=target,
                arguments=arguments,
                volatility=volatility.word() if volatility is not None else None,
                if_exists=found.first("if_exists") is not None,
                cascade=behaviour is not None and behaviour.word() == "cascade",
            )
        )
    return tuple(made)


def _arguments_of(found: Found, wanted: int) -> tuple[Argument, ...] | None:
    """The arguments behind the name with this number; None where no brackets follow it."""
    index = -1
    arguments: list[Argument] | None = None
    for label, value in found.kept:
        if label == "target":
            index += 1
        elif index == wanted and label == "parameter":
            arguments = [*(arguments or ()), value]
        elif index == wanted and label == "signature":
            arguments = arguments or []
    return tuple(arguments) if arguments is not None else None


def do_block(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    """A DO block before anybody looked into it: opaque, with its text."""
    body, start = _body(found, cursor)
    if found.first("body") is None:
        raise Unreadable("DO needs a block of code")
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
    for index in range(cursor.end):
        if tokens.kinds[index] is TokenKind.STRING and tokens.value(index) == text:
            source = tokens.text[tokens.starts[index] : tokens.ends[index]]
            at = source.find(text)
            return text, tokens.starts[index] + at if at >= 0 and text else -1
    return text, -1
