"""One statement's tokens by PostgreSQL's own lexical rules, with names folded as PostgreSQL folds them.

The scanner is one regular expression: sqlglot's tokenizer raises for a whole text where PostgreSQL reads
on, glues keywords together, and takes twice as long even when it is compiled.
https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, overload

from migsafe.sql.names import MAX_IDENTIFIER_BYTES
from migsafe.sql.values import Unlexable, decode_unicode, string_value

__all__ = ["Token", "TokenKind", "Tokens", "Unlexable", "fold", "lex", "shorten"]


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


class Tokens(Sequence[Token]):
    """A statement's tokens, kept in columns: what is never looked at is never made.

    `words` has the folded word or sign, and an empty text for names in quotes and constants.
    """

    __slots__ = ("_values", "ends", "kinds", "starts", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: list[TokenKind] = []
        self.words: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self._values: dict[int, str] = {}

    def add(self, kind: TokenKind, word: str, start: int, end: int) -> None:
        """One more token."""
        self.kinds.append(kind)
        self.words.append(word)
        self.starts.append(start)
        self.ends.append(end)

    def value(self, index: int) -> str:
        """A token's value: folded, unquoted, unescaped."""
        word = self.words[index]
        if word:
            return word
        found = self._values.get(index)
        if found is None:
            found = self._values[index] = self._read(index)
        return found

    def set_value(self, index: int, value: str) -> None:
        """Says what a token stands for, where its text does not."""
        self._values[index] = value

    def is_name(self, index: int) -> bool:
        """Whether a token is a word or a name in quotes."""
        return self.kinds[index] is WORD or self.kinds[index] is QUOTED

    def source(self, first: int, end: int) -> str:
        """The text of the tokens from one index up to another."""
        return self.text[self.starts[first] : self.ends[end - 1]] if first < end else ""

    def _read(self, index: int) -> str:
        piece = self.text[self.starts[index] : self.ends[index]]
        match self.kinds[index]:
            case TokenKind.QUOTED:
                return _name_in_quotes(piece)
            case TokenKind.STRING:
                return string_value(piece)
            case _:
                return piece

    def __len__(self) -> int:
        return len(self.words)

    @overload
    def __getitem__(self, index: int) -> Token: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Token, ...]: ...
    def __getitem__(self, index: int | slice) -> Token | tuple[Token, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if index < 0:
            index += len(self)
        start, end = self.starts[index], self.ends[index]
        return Token(self.kinds[index], self.text[start:end], self.value(index), start, end)


WORD, QUOTED, STRING = TokenKind.WORD, TokenKind.QUOTED, TokenKind.STRING
NUMBER, OTHER = TokenKind.NUMBER, TokenKind.OTHER

_NAME_START = r"A-Za-z_\x80-\U0010ffff"
_NAME = rf"[{_NAME_START}][{_NAME_START}0-9$]*+"
# Groups, in order: name, sign, plain string, number, name in quotes, other string, comment, dollar quote,
# operator, and any other character.
_PATTERN = rf"""[ \t\n\r\f\v]*+(?:
    ((?!(?:[eEbBxXnN]|[uU]&)['"]){_NAME}|[uUeEbBxXnN](?=\"))
    |([(),;\[\]]|::|:=|\.\.|[.:](?![0-9]))
    |('(?:[^']++|'')*+')
    |(0[xX](?:_?[0-9a-fA-F])++|0[oO](?:_?[0-7])++|0[bB](?:_?[01])++
      |(?:[0-9]++(?:_[0-9]++)*+(?:\.(?!\.)(?:[0-9]++(?:_[0-9]++)*+)?)?|\.[0-9]++(?:_[0-9]++)*+)
       (?:[eE][+-]?[0-9]++(?:_[0-9]++)*+)?|\$[0-9]++)
    |((?:[uU]&)?"(?:[^"]++|"")++")
    |([eE]'(?:[^'\\]++|\\.|'')*+'|(?:[bBxXnN]|[uU]&)'(?:[^']++|'')*+')
    |(--[^\r\n]*+|/\*)
    |(\$(?:[{_NAME_START}][{_NAME_START}0-9]*+)?\$)
    |((?:(?!--|/\*)[-+*/<>=~!@\#%^&|`?])++)
    |(:(?=[0-9]))
    |(.))"""
_SCAN = re.compile(_PATTERN, re.VERBOSE | re.DOTALL)
# Placeholders of template languages and drivers, where a name, a value or a part of a name may stand.
PLACEHOLDER = re.compile(
    r"""\$\{[^{}\n]{1,200}\}|\{\{[^\n]{1,200}?\}\}|\{%[^\n]{1,200}?%\}|%\(\w{1,100}\)s|@[A-Za-z_]\w{0,100}@
    |(?<![\w\]):]):(?:[A-Za-z_]\w{0,100}|'\w{1,100}'|"\w{1,100}")|\$[A-Za-z_]\w{0,100}\$(?=\s|$)""",
    re.VERBOSE,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")
_NAME_PART = re.compile(rf"[{_NAME_START}0-9$]")
_MAY_END_IN_SIGN = re.compile(r"[~!@#%^&|`?]")
_KIND_OF_GROUP = {3: STRING, 4: NUMBER, 5: QUOTED, 6: STRING}


def lex_template(text: str) -> Tokens:
    """The tokens of a statement with placeholders in it: each is, or is part of, a name as if in quotes.

    Raises:
        Unlexable: The text holds something that PostgreSQL would not read.
    """
    spans = [found.span() for found in PLACEHOLDER.finditer(text)]
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += [text[at:start], "\x80" * (end - start)]
        at = end
    tokens = lex("".join([*pieces, text[at:]]))
    tokens.text = text
    marked = 0
    for index, (start, end) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
        while marked < len(spans) and spans[marked][1] <= start:
            marked += 1
        if marked < len(spans) and spans[marked][0] < end and tokens.kinds[index] is WORD:
            is_string = text[start : start + 2] == ":'" and spans[marked] == (start, end)
            tokens.kinds[index] = STRING if is_string else QUOTED
            tokens.words[index] = ""
            tokens.set_value(index, text[start:end])
    return tokens


def lex(text: str) -> Tokens:
    """The tokens of one statement. Linear in its length.

    Raises:
        Unlexable: The text holds something that PostgreSQL would not read.
    """
    tokens = Tokens(text)
    kinds, words, starts, ends = (
        tokens.kinds.append,
        tokens.words.append,
        tokens.starts.append,
        tokens.ends.append,
    )
    is_ascii = text.isascii()
    at, length = 0, len(text.rstrip(" \t\n\r\f\v"))
    while at < length:
        jump = length
        for found in _SCAN.finditer(text, at, length):
            group = found.lastindex or 0
            start, end = found.span(group)
            if group == 1:
                kinds(WORD)
                word = found[1].lower() if is_ascii else fold(found[1])
                words(word if end - start < 16 else shorten(word))
            elif group == 2:
                kinds(OTHER)
                words(found[2])
            else:
                jump = _special(tokens, group, start, end)
                if jump != end:
                    break
                jump = length
                continue
            starts(start)
            ends(end)
        at = jump
    return tokens


def _special(tokens: Tokens, group: int, start: int, end: int) -> int:
    """Adds a token that is neither a word nor a plain sign; gives where to read on."""
    if kind := _KIND_OF_GROUP.get(group):
        if kind is NUMBER and _NAME_PART.match(tokens.text, end):
            raise Unlexable(f"{tokens.text[start : end + 1]!r} is no number")
        if kind is STRING and _continues(tokens, start, end):
            return end
        tokens.add(kind, "", start, end)
        return end
    piece = tokens.text[start:end]
    if group == 7:
        return end if piece != "/*" else _comment_end(tokens.text, start)
    if group == 8:
        close = tokens.text.find(piece, end)
        if close < 0:
            raise Unlexable(f"a string in {piece} does not end")
        tokens.add(STRING, "", start, close + len(piece))
        return close + len(piece)
    if group == 9:
        if end - start > 1 and piece[-1] in "+-" and not _MAY_END_IN_SIGN.search(piece):
            piece = piece.rstrip("+-") or piece[0]
        tokens.add(OTHER, piece, start, start + len(piece))
        return start + len(piece)
    if group == 10:
        tokens.add(OTHER, ":", start, end)
        return end
    raise Unlexable(f"a character at offset {start} of the statement cannot be read")


def _continues(tokens: Tokens, start: int, end: int) -> bool:
    """Whether a string goes on with what was a string before it: a line end must be between them."""
    if not tokens.kinds or tokens.kinds[-1] is not STRING or tokens.text[start] != "'":
        return False
    before = tokens.ends[-1]
    between = tokens.text[before:start]
    if not between.strip(" \t\n\r\f\v") and ("\n" in between or "\r" in between):
        tokens.ends[-1] = end
        return True
    return False


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    raise Unlexable("a comment that /* opens does not end")


def fold(text: str) -> str:
    """An unquoted name as PostgreSQL stores it: ASCII letters in lower case, at most 63 bytes."""
    lowered = text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
    return shorten(lowered)


def shorten(name: str) -> str:
    """A name cut to the length PostgreSQL keeps."""
    if len(name) <= MAX_IDENTIFIER_BYTES // 4:
        return name
    return name.encode(errors="replace")[:MAX_IDENTIFIER_BYTES].decode(errors="ignore")


def _name_in_quotes(piece: str) -> str:
    if piece[0] == '"':
        return shorten(piece[1:-1].replace('""', '"'))
    return shorten(decode_unicode(piece[3:-1].replace('""', '"')))
