"""One statement's tokens, with names folded as PostgreSQL folds them.

sqlglot's tokenizer finds the boundaries. What it does differently from PostgreSQL is put right here:
comments are blanked first, keywords of several words are cut apart, names written U&"..." are joined,
and whatever it skipped that PostgreSQL does not take as a blank is an error.
"""

import re
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from migsafe.sql.names import MAX_IDENTIFIER_BYTES
from migsafe.sql.split import split

if TYPE_CHECKING:
    from sqlglot.dialects.postgres import Postgres


class TokenKind(StrEnum):
    """What a token is, by PostgreSQL's lexical rules."""

    WORD = "word"
    QUOTED = "quoted"
    STRING = "string"
    NUMBER = "number"
    OTHER = "other"


class Token(NamedTuple):
    """A token; `value` is folded, unquoted and unescaped, `end` is exclusive."""

    kind: TokenKind
    text: str
    value: str
    start: int
    end: int


class Unlexable(Exception):
    """The statement does not follow PostgreSQL's lexical rules, or sqlglot's tokenizer gave up: why."""


_BLANK = re.compile(r"[ \t\n\r\f\v]*")
_WORD = re.compile(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*")
_STRING_START = re.compile(r"(?:[EeNnBbXx]|[Uu]&)?'|\$(?:[A-Za-z_\x80-\U0010ffff][\w]*)?\$")
_NUMBER_START = re.compile(r"\.?[0-9]")
_UNICODE_ESCAPE = re.compile(r"\\(?:\\|([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6}))")
_C_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL
)
_C_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

# A word in front: sqlglot takes what follows some first words (DO, SHOW, COMMENT ...) as one opaque string.
_GUARD = "x "


def lex(text: str) -> tuple[Token, ...]:
    """The tokens of one statement.

    Raises:
        Unlexable: The text holds something that PostgreSQL would not read, or that we cannot.
    """
    blanked = _without_comments(text)
    try:
        found = _tokenizer().tokenize(_GUARD + blanked)
    except Exception as error:
        # Whatever sqlglot raises, the statement counts as unread; nothing else may come of it.
        raise Unlexable("its words and signs cannot be told apart") from error
    tokens: list[Token] = []
    at = 0
    for item in found[1:]:
        start, end = item.start - len(_GUARD), item.end + 1 - len(_GUARD)
        if start < at or end <= start or not _BLANK.fullmatch(blanked, at, start):
            raise Unlexable(f"a character at offset {at} of the statement cannot be read")
        at = end
        _add(tokens, blanked, start, end)
    if not _BLANK.fullmatch(blanked, at):
        raise Unlexable(f"a character at offset {at} of the statement cannot be read")
    return tuple(tokens)


def fold(text: str) -> str:
    """An unquoted name as PostgreSQL stores it: ASCII letters in lower case, at most 63 bytes."""
    lowered = text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
    return shorten(lowered)


def shorten(name: str) -> str:
    """A name cut to the length PostgreSQL keeps."""
    if len(name) <= MAX_IDENTIFIER_BYTES // 4:
        return name
    return name.encode(errors="replace")[:MAX_IDENTIFIER_BYTES].decode(errors="ignore")


@cache
def _tokenizer() -> "Postgres.Tokenizer":
    # Imported here: it takes a tenth of a second, and nobody who asks for --help should wait for it.
    from sqlglot.dialects.postgres import Postgres  # noqa: PLC0415

    return Postgres.Tokenizer(dialect=Postgres)


def _without_comments(text: str) -> str:
    if "--" not in text and "/*" not in text:
        return text
    parts: list[str] = []
    at = 0
    for comment in split(text).comments:
        parts += [text[at : comment.start], " " * (comment.end - comment.start)]
        at = comment.end
    return "".join([*parts, text[at:]])


def _add(tokens: list[Token], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    if piece[0] == '"':
        tokens.append(_quoted(tokens, piece, start, end))
    elif _STRING_START.match(piece):
        tokens.append(Token(TokenKind.STRING, piece, _string_value(piece), start, end))
    elif _NUMBER_START.match(piece):
        tokens.append(Token(TokenKind.NUMBER, piece, piece, start, end))
    elif _WORD.match(piece):
        at = 0
        for word in _WORD.finditer(piece):
            if not _BLANK.fullmatch(piece, at, word.start()):
                raise Unlexable(f"{piece!r} is no name")
            at = word.end()
            value = fold(word.group())
            tokens.append(Token(TokenKind.WORD, word.group(), value, start + word.start(), start + at))
        if at != len(piece):
            raise Unlexable(f"{piece!r} is no name")
    else:
        tokens.append(Token(TokenKind.OTHER, piece, piece, start, end))


def _quoted(tokens: list[Token], piece: str, start: int, end: int) -> Token:
    name = piece[1:-1].replace('""', '"')
    if not name:
        raise Unlexable('a name between quotes ("") is empty')
    is_unicode = (
        len(tokens) > 1
        and tokens[-1].text == "&"
        and tokens[-1].end == start
        and tokens[-2].text in {"u", "U"}
        and tokens[-2].end == tokens[-1].start
    )
    if is_unicode:
        tokens.pop()
        start = tokens.pop().start
        name = _decode_unicode(name)
    return Token(TokenKind.QUOTED, piece, shorten(name), start, end)


def _string_value(piece: str) -> str:
    """The value of a string constant, whichever way it is quoted."""
    if piece[0] == "$":
        tag = piece.index("$", 1) + 1
        return piece[tag:-tag]
    body = piece[piece.index("'") + 1 : -1]
    if piece[0] in "eE":
        return _C_ESCAPE.sub(_c_escape, body.replace("''", "'"))
    body = body.replace("''", "'")
    return _decode_unicode(body) if piece[0] in "uU" else body


def _c_escape(found: re.Match[str]) -> str:
    octal, hexadecimal, short, long, letter = found.groups()
    if letter:
        return _C_LETTERS.get(letter, letter)
    return _character(int(octal, 8) if octal else int(hexadecimal or short or long, 16))


def _decode_unicode(text: str) -> str:
    return _UNICODE_ESCAPE.sub(
        lambda found: _character(int(found[1] or found[2], 16)) if found[1] or found[2] else "\\", text
    )


def _character(number: int) -> str:
    if number > 0x10FFFF:
        raise Unlexable(f"{number:#x} is no character")
    return chr(number)
