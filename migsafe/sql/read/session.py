"""Transaction control and settings."""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.grammar.match import match_rule
from migsafe.sql.lex import TokenKind
from migsafe.sql.operations import (
    Begin,
    Commit,
    Operation,
    OtherStatement,
    ResetSetting,
    Rollback,
    Savepoint,
    SetSetting,
)


def transaction(cursor: Cursor) -> tuple[Operation, ...] | None:
    """A statement that controls a transaction, or None when none stands here."""
    match cursor.word():
        case "begin":
            cursor.next()
            cursor.take_any("work", "transaction")
            return _modes(cursor, Begin())
        case "start":
            cursor.next()
            cursor.expect("transaction")
            return _modes(cursor, Begin())
        case "commit" | "rollback" | "prepare" if (
            cursor.word(1) in {"prepared", "transaction"} and cursor.kind(2) is TokenKind.STRING
        ):
            tag = f"{cursor.next().value} {cursor.next().value}".upper()
            if tag not in {"COMMIT TRANSACTION", "ROLLBACK TRANSACTION"}:
                cursor.string("a transaction's name")
                cursor.expect_end()
                return (OtherStatement(tag=tag),)
            cursor.at -= 1
            return _end(cursor, tag.split()[0].lower())
        case "commit" | "end" | "rollback" | "abort":
            return _end(cursor, cursor.next().value)
        case "savepoint":
            cursor.next()
            return _last(cursor, Savepoint(name=cursor.identifier("a savepoint")))
        case "release":
            cursor.next()
            if cursor.kind(1) is not None:
                cursor.take("savepoint")
            return _last(cursor, Savepoint(name=cursor.identifier("a savepoint"), release=True))
        case _:
            return None


def _end(cursor: Cursor, word: str) -> tuple[Operation, ...]:
    cursor.take_any("work", "transaction")
    if word == "rollback" and cursor.take("to"):
        if cursor.kind(1) is not None:
            cursor.take("savepoint")
        return _last(cursor, Rollback(to_savepoint=cursor.identifier("a savepoint")))
    chained = cursor.take("and", "chain")
    if not chained:
        cursor.take("and", "no", "chain")
    cursor.expect_end()
    ended: Operation = Commit() if word in {"commit", "end"} else Rollback()
    return (ended, Begin()) if chained else (ended,)


def _modes(cursor: Cursor, operation: Operation) -> tuple[Operation, ...]:
    if not cursor.done and match_rule("transaction_modes", cursor) is None:
        raise cursor.unexpected("a transaction's mode")
    cursor.expect_end()
    return (operation,)


def _last(cursor: Cursor, operation: Operation) -> tuple[Operation, ...]:
    cursor.expect_end()
    return (operation,)


# What follows a setting's name: a word before it is that name.
_BEFORE_VALUE = frozenset({"to", "=", "."})


def set_setting(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `SET`."""
    if cursor.end - cursor.at >= 3 and cursor.words[cursor.end - 2 : cursor.end] == ["from", "current"]:
        if match_rule("set_from_current", cursor) is None:
            raise cursor.unexpected("a setting")
        return (OtherStatement(tag="SET"),)
    if cursor.word(1) in _BEFORE_VALUE:
        return _setting_alone(cursor, local=False)
    if cursor.take("constraints"):
        if match_rule("set_constraints", cursor) is None:
            raise cursor.unexpected("which constraints, and DEFERRED or IMMEDIATE")
        cursor.expect_end()
        return (OtherStatement(tag="SET CONSTRAINTS"),)
    if cursor.word() in {"local", "session"} and (
        cursor.word(1) == "transaction" or cursor.at_words("session", "characteristics", ahead=1)
    ):
        cursor.at += 1
    if cursor.take("transaction") or cursor.take("session", "characteristics", "as", "transaction"):
        if cursor.take("snapshot"):
            cursor.string()
            cursor.expect_end()
            return (OtherStatement(tag="SET TRANSACTION"),)
        if cursor.done:
            raise cursor.unexpected("a transaction's mode")
        return _modes(cursor, OtherStatement(tag="SET TRANSACTION"))
    local = cursor.take("local")
    if not local and cursor.word(1) not in _BEFORE_VALUE:
        cursor.take("session")
    return _setting_alone(cursor, local=local)


def _setting_alone(cursor: Cursor, *, local: bool) -> tuple[Operation, ...]:
    name, value = _setting(cursor)
    cursor.expect_end()
    return (SetSetting(name=name, value=value, local=local),)


def _setting(cursor: Cursor) -> tuple[str, str | None]:
    if cursor.take("time", "zone"):
        return "timezone", None if cursor.take("local") else _value(cursor)
    if cursor.take("session", "authorization") or cursor.take("authorization"):
        return "session_authorization", _value(cursor)
    if cursor.word() in {"role", "names", "schema"} and cursor.word(1) not in _BEFORE_VALUE:
        name = cursor.next().value
        if name == "names" and cursor.done:
            return "client_encoding", None
        return {"names": "client_encoding", "schema": "search_path"}.get(name, name), _value(cursor)
    if cursor.take("xml", "option"):
        return "xmloption", _value(cursor)
    name = cursor.identifier("a setting")
    while cursor.take("."):
        name = f"{name}.{cursor.identifier('a setting', label=True)}"
    if not cursor.take("to"):
        cursor.expect("=")
    return name, _value(cursor)


def _value(cursor: Cursor) -> str | None:
    """A setting's value as text; None for DEFAULT."""
    if cursor.take("default"):
        return None
    return ", ".join(cursor.listed(_one_value))


def _one_value(cursor: Cursor) -> str:
    sign = cursor.take_any("-", "+")
    token = cursor.next()
    if token.kind is TokenKind.OTHER:
        raise Unreadable(f"{token.text!r} is no value for a setting")
    value = token.value
    if value == "interval" and cursor.peek() is not None:
        value = cursor.string()
        cursor.rest()
    return sign + value


def reset_setting(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `RESET`."""
    if cursor.take("all"):
        return _last(cursor, ResetSetting(name=None))
    if cursor.take("session", "authorization"):
        return _last(cursor, ResetSetting(name="session_authorization"))
    if cursor.take("time", "zone"):
        return _last(cursor, ResetSetting(name="timezone"))
    if cursor.take("transaction", "isolation", "level"):
        return _last(cursor, ResetSetting(name="transaction_isolation"))
    name = cursor.identifier("a setting")
    while cursor.take("."):
        name = f"{name}.{cursor.identifier('a setting', label=True)}"
    return _last(cursor, ResetSetting(name=name))


def discard(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `DISCARD`."""
    what = cursor.take_any("all", "plans", "sequences", "temporary", "temp")
    if not what:
        raise cursor.unexpected("ALL, PLANS, SEQUENCES or TEMP")
    cursor.expect_end()
    return (ResetSetting(name=None) if what == "all" else OtherStatement(tag=_DISCARDS[what]),)


_DISCARDS = {
    "plans": "DISCARD PLANS",
    "sequences": "DISCARD SEQUENCES",
    "temp": "DISCARD TEMP",
    "temporary": "DISCARD TEMP",
}
