"""String constants: what stands between their quotes.

https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-CONSTANTS
"""

import re

_PART = re.compile(r"'((?:[^']++|'')*+)'")
_UNICODE_ESCAPE = re.compile(r"\\(?:\\|([0-9A-Fa-f]{4})|\+([0-9A-Fa-f]{6}))")
_C_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))|''", re.DOTALL
)
_C_PARTS = re.compile(r"'((?:[^'\\]++|\\.|'')*+)'", re.DOTALL)
_C_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Unlexable(Exception):
    """The statement does not follow PostgreSQL's lexical rules: why."""


def string_value(piece: str) -> str:
    """The value of a string constant, whichever way it is quoted; parts on several lines are joined."""
    if piece[0] == "$":
        tag = piece.index("$", 1) + 1
        return piece[tag:-tag]
    if piece[0] in "eE":
        return _C_ESCAPE.sub(_c_escape, "".join(_C_PARTS.findall(piece)))
    body = "".join(_PART.findall(piece)).replace("''", "'")
    return decode_unicode(body) if piece[0] in "uU" else body


def decode_unicode(text: str) -> str:
    r"""The text of a U&'...' string or name: \0061 and \+000061 are characters."""
    return _UNICODE_ESCAPE.sub(
        lambda found: _character(int(found[1] or found[2], 16)) if found[1] or found[2] else "\\", text
    )


def _c_escape(found: re.Match[str]) -> str:
    octal, hexadecimal, short, long, letter = found.groups()
    if found.group() == "''":
        return "'"
    if letter:
        return _C_LETTERS.get(letter, letter)
    return _character(int(octal, 8) & 255 if octal else int(hexadecimal or short or long, 16))


def _character(number: int) -> str:
    if number > 0x10FFFF:
        raise Unlexable(f"{number:#x} is no character")
    return chr(number)
