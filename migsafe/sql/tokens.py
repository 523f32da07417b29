"""Tokens as the reader sees them."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, overload

from migsafe.sql.names import MAX_IDENTIFIER_BYTES
from migsafe.sql.values import decode_unicode, string_value


class TokenKind(StrEnum):
    """What a token is, by PostgreSQL's lexical rules."""

    WORD = "word"
    QUOTED = "quoted"
    STRING = "string"
    NUMBER = "number"
    OTHER = "other"


WORD, QUOTED, STRING = TokenKind.WORD, TokenKind.QUOTED, TokenKind.STRING
NUMBER, OTHER = TokenKind.NUMBER, TokenKind.OTHER


class Token(NamedTuple):
    """A token; `value` is folded, unquoted and unescaped, `end` is exclusive."""

    kind: TokenKind
    text: str
    value: str
    start: int
    end: int


class Tokens(Sequence[Token]):
    """A statement's tokens, kept in columns: what is never looked at is never made.

    `words` has the folded word or sign, and an empty text for names in quotes and constants. `closers` has
    the index of the bracket that closes the one at an index, once they were looked for.
    """

    __slots__ = ("_values", "closers", "ends", "kinds", "starts", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.closers: dict[int, int] = {}
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


def shorten(name: str) -> str:
    """A name cut to the length PostgreSQL keeps."""
    if len(name) <= MAX_IDENTIFIER_BYTES // 4:
        return name
    return name.encode(errors="replace")[:MAX_IDENTIFIER_BYTES].decode(errors="ignore")


def _name_in_quotes(piece: str) -> str:
    if piece[0] == '"':
        return shorten(piece[1:-1].replace('""', '"'))
    return shorten(decode_unicode(piece[3:-1].replace('""', '"')))
