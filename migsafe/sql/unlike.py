"""What sqlglot's tokenizer reads otherwise than PostgreSQL, overwritten with something of the same length.

Offsets stay the same, so that every token can be looked up in the text as it was written.
https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

import re

from migsafe.sql.names import NAME_PART, NAME_START, TAG_PART
from migsafe.sql.values import Unlexable

# Where sqlglot may read something otherwise; what is in a string counts too, to be quick. Each begins with
# characters that are searched for at once.
_RARE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f$\\{}`;@?]")
_PREFIXED = re.compile(r"[eEbBxXnN&](?<![\w$'].)['\"]")
_NUMBER = re.compile(
    r"[0-9.](?:(?<![\w$.].)(?:[0-9.]*+[A-Za-z_]|[0-9]*+\.[0-9]*+\.)|(?<=\.)(?<![0-9].)[0-9])"
)
_WORDS = re.compile(r"[bBuU](?<![\w$].)(?:[eE][gG][iI][nN]\b|[sS][eE][rR]-)")
# What sqlglot reads as PostgreSQL does is gone over; behind it stands what it does not. Groups, in order:
# string with a letter before it, name in quotes with U&, dollar quote, line comment, comment, name, number,
# sign, and what may stand nowhere.
_UNLIKE = re.compile(
    rf"""(?:[\s(),\[\]+*<>=~!\#%^&|`]++
      |(?!(?:[eEbBxXnN]|[uU]&)['"]|[bB][eE][gG][iI][nN](?![A-Za-z0-9_$]))[A-Za-z_][A-Za-z0-9_$]*+(?![^\x00-\x7f])
      |'(?:[^']++|'')*+'|"(?:[^"]++|"")++"|(?<![A-Za-z])-(?!-)|/(?!\*)|:|\.(?![.0-9])|[0-9]++(?![\w.$]))*+(?:
    ([eE]'(?:[^'\\]++|\\.|'')*+'|(?:[bBxXnN]|[uU]&)'(?:[^']++|'')*+')
    |([uU]&"(?:[^"]++|"")++")
    |(\$(?:{NAME_START}{TAG_PART}*+)?\$)
    |(--[^\r\n]*+)
    |(/\*)
    |({NAME_START}{NAME_PART}*+)
    |(0[xX](?:_?[0-9a-fA-F])++|0[oO](?:_?[0-7])++|0[bB](?:_?[01])++
      |(?:[0-9]++(?:_[0-9]++)*+(?:\.(?!\.)(?:[0-9]++(?:_[0-9]++)*+)?)?|\.[0-9]++(?:_[0-9]++)*+)
       (?:[eE][+-]?[0-9]++(?:_[0-9]++)*+)?|\$[0-9]++)
    |(\.\.|[;@?]|(?<=[A-Za-z])-)
    |([{{}}\\$\x00-\x08\x0e-\x1f\x7f]))""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_SIGNS = {"..": "~~", ";": ",", "?": "~", "@": "~", "-": "+"}
_COMMENT_MARK = re.compile(r"/\*|\*/")
_NAME_PART = re.compile(NAME_PART)


def needs_disguise(text: str) -> bool:
    """Whether sqlglot may read something in a text otherwise than PostgreSQL."""
    return (
        not text.isascii()
        or _RARE.search(text) is not None
        or "--" in text
        or "/*" in text
        or (("'" in text or '"' in text) and _PREFIXED.search(text) is not None)
        or _NUMBER.search(text) is not None
        or _WORDS.search(text) is not None
    )


def disguised(text: str) -> str:
    """A text of the same length, with the same tokens at the same offsets, that sqlglot reads rightly.

    Raises:
        Unlexable: The text holds something that PostgreSQL would not read.
    """
    pieces: list[str] = []
    at = 0
    while found := _UNLIKE.match(text, at):
        group = found.lastindex or 0
        start, end = found.span(group)
        instead, end = _instead(text, group, start, end)
        pieces += (text[at:start], instead)
        at = end
    return "".join((*pieces, text[at:]))


def _instead(text: str, group: int, start: int, end: int) -> tuple[str, int]:
    """What to write instead of what stands here, and where that ends."""
    length = end - start
    match group:
        case 1:
            return f"'{'x' * (length - 2)}'", end
        case 2:
            return f'"{"x" * (length - 2)}"', end
        case 3:
            close = text.find(text[start:end], end)
            if close < 0:
                raise Unlexable(f"a string in {text[start:end]} does not end")
            return f"'{'x' * (close - start + length - 2)}'", close + length
        case 4:
            return " " * length, end
        case 5:
            close = _comment_end(text, start)
            return " " * (close - start), close
        case 6:
            # BEGIN, which changes what sqlglot makes of the word behind it; and names that are not ASCII.
            return "x" * length, end
        case 7:
            if _NAME_PART.match(text, end):
                raise Unlexable(f"{text[start : end + 1]!r} is no number")
            return "1" * length, end
        case 8:
            return _SIGNS[text[start:end]], end
        case _:
            raise Unlexable(f"a character at offset {start} of the statement cannot be read")


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    raise Unlexable("a comment that /* opens does not end")
