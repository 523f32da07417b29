"""Reads the tokens of one statement from left to right."""

from collections.abc import Callable
from typing import TypeVar

from migsafe.sql.keywords import FUNCTION_OR_TYPE, RESERVED
from migsafe.sql.lex import Token, TokenKind
from migsafe.sql.names import Name

T = TypeVar("T")

_OPEN = {"(": 1, "[": 1, ")": -1, "]": -1}


class Unreadable(Exception):
    """The statement is not one that is understood: why."""


class Cursor:
    """A position in a statement's tokens. Keywords are given in lower case."""

    __slots__ = ("at", "end", "text", "tokens")

    def __init__(self, text: str, tokens: tuple[Token, ...], at: int = 0, end: int | None = None) -> None:
        self.text = text
        self.tokens = tokens
        self.at = at
        self.end = len(tokens) if end is None else end

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.at >= self.end

    def peek(self, ahead: int = 0) -> Token | None:
        """The token so many places ahead, or None behind the end."""
        index = self.at + ahead
        return self.tokens[index] if index < self.end else None

    def word(self, ahead: int = 0) -> str:
        """The keyword or sign so many places ahead; empty for names in quotes, constants and the end."""
        token = self.peek(ahead)
        if token is None or token.kind not in {TokenKind.WORD, TokenKind.OTHER}:
            return ""
        return token.value

    def at_words(self, *words: str, ahead: int = 0) -> bool:
        """Whether exactly these words come next."""
        return all(self.word(ahead + index) == word for index, word in enumerate(words))

    def take(self, *words: str) -> bool:
        """Goes over these words if they come next."""
        if not self.at_words(*words):
            return False
        self.at += len(words)
        return True

    def take_any(self, *words: str) -> str:
        """Goes over one of these words and gives it, or gives an empty text."""
        word = self.word()
        if word in words and word:
            self.at += 1
            return word
        return ""

    def one_of(self, *words: str) -> str:
        """Goes over one of these words, which must come next, and gives it."""
        word = self.take_any(*words)
        if not word:
            raise self.unexpected(", ".join(words).upper())
        return word

    def expect(self, *words: str) -> None:
        """Goes over these words, which must come next."""
        if not self.take(*words):
            raise self.unexpected(f"{' '.join(words).upper()}")

    def next(self) -> Token:
        """Goes over one token, which must be there."""
        token = self.peek()
        if token is None:
            raise self.unexpected("more")
        self.at += 1
        return token

    def unexpected(self, wanted: str) -> Unreadable:
        """The error that says what stands here instead of what was expected."""
        token = self.peek()
        found = f"{token.text[:40]!r}" if token else "the end of the statement"
        return Unreadable(f"expected {wanted}, found {found}")

    def expect_end(self) -> None:
        """Nothing may be left."""
        if not self.done:
            raise self.unexpected("the end of the statement")

    def identifier(self, what: str = "a name", *, label: bool = False) -> str:
        """A name of a column, table or other object; `label` also allows words that are kept."""
        token = self.peek()
        if token is None or token.kind not in {TokenKind.WORD, TokenKind.QUOTED}:
            raise self.unexpected(what)
        if token.kind is TokenKind.WORD and not label and token.value in RESERVED | FUNCTION_OR_TYPE:
            raise self.unexpected(what)
        self.at += 1
        return token.value

    def name(self, what: str = "a name") -> Name:
        """A name with at most a database and a schema before it."""
        parts = [self.identifier(what)]
        while self.take("."):
            parts.append(self.identifier(what, label=True))
        if len(parts) > 3:
            raise Unreadable(f"{'.'.join(parts)} has too many parts for a name")
        return Name(parts[-1], parts[-2] if len(parts) > 1 else None)

    def string(self, what: str = "a string") -> str:
        """A string constant's value."""
        token = self.peek()
        if token is None or token.kind is not TokenKind.STRING:
            raise self.unexpected(what)
        self.at += 1
        return token.value

    def inside(self) -> "Cursor":
        """Goes over one pair of brackets; gives a cursor on what is between."""
        self.expect("(")
        start = self.at
        close = self.closing(start - 1)
        self.at = close + 1
        return Cursor(self.text, self.tokens, start, close)

    def closing(self, opening: int) -> int:
        """The index of the bracket that closes the one at this index."""
        depth = 0
        for index in range(opening, self.end):
            token = self.tokens[index]
            if token.kind is TokenKind.OTHER:
                depth += _OPEN.get(token.value, 0)
                if depth == 0:
                    return index
        raise Unreadable("a bracket is not closed")

    def listed(self, item: Callable[["Cursor"], T]) -> tuple[T, ...]:
        """One or more items with commas between."""
        items = [item(self)]
        while self.take(","):
            items.append(item(self))
        return tuple(items)

    def until(self, stop: Callable[["Cursor"], bool]) -> "Cursor":
        """Goes to where `stop` holds outside brackets, or to the end; gives what is between."""
        start = self.at
        while not self.done and not stop(self):
            if self.word() in {"(", "["}:
                self.at = self.closing(self.at)
            elif self.word() in {")", "]"}:
                raise self.unexpected("an opening bracket before it")
            self.at += 1
        return Cursor(self.text, self.tokens, start, self.at)

    def rest(self) -> "Cursor":
        """Goes to the end; gives all that was left."""
        return self.until(lambda _: False)

    def source(self) -> str:
        """The text from here to the end, exactly as written."""
        if self.done:
            return ""
        return self.text[self.tokens[self.at].start : self.tokens[self.end - 1].end]

    def skip_if_exists(self) -> bool:
        """Goes over IF EXISTS; whether it was there."""
        return self.take("if", "exists")

    def skip_if_not_exists(self) -> bool:
        """Goes over IF NOT EXISTS; whether it was there."""
        return self.take("if", "not", "exists")

    def cascade(self) -> bool:
        """Goes over CASCADE or RESTRICT; whether it was CASCADE."""
        return self.take_any("cascade", "restrict") == "cascade"
