"""Reads the tokens of one statement from left to right."""

from collections.abc import Callable
from typing import TypeVar

from migsafe.sql.keywords import FUNCTION_OR_TYPE, RESERVED
from migsafe.sql.lex import Token, TokenKind, Tokens
from migsafe.sql.names import Name

T = TypeVar("T")

_NOT_NAMES = RESERVED | FUNCTION_OR_TYPE
_PAIRS = {"(": ")", "[": "]"}
_OPEN = {"(": 1, "[": 1, ")": -1, "]": -1}


class Unreadable(Exception):
    """The statement is not one that is understood: why."""


def pair_brackets(tokens: Tokens) -> None:
    """Finds out which bracket closes which.

    Raises:
        Unreadable: One closes nothing, or is not closed.
    """
    opened: list[tuple[str, int]] = []
    for index, word in enumerate(tokens.words):
        if word in _PAIRS:
            opened.append((_PAIRS[word], index))
        elif word in _OPEN:
            wanted, opening = opened.pop() if opened else ("", -1)
            if word != wanted:
                raise Unreadable(f"a {word} closes nothing")
            tokens.closers[opening] = index
    if opened:
        raise Unreadable("a bracket is not closed")


class Cursor:
    """A position in a statement's tokens. Keywords are given in lower case."""

    __slots__ = ("at", "end", "text", "tokens", "words")

    def __init__(self, text: str, tokens: Tokens, at: int = 0, end: int | None = None) -> None:
        self.text = text
        self.tokens = tokens
        self.words = tokens.words
        self.at = at
        self.end = len(tokens.words) if end is None else end

    def part(self, at: int, end: int) -> "Cursor":
        """A cursor on the tokens from one index up to another."""
        return Cursor(self.text, self.tokens, at, end)

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.at >= self.end

    def peek(self, ahead: int = 0) -> Token | None:
        """The token so many places ahead, or None behind the end."""
        index = self.at + ahead
        return self.tokens[index] if index < self.end else None

    def kind(self, ahead: int = 0) -> TokenKind | None:
        """The kind of the token so many places ahead, or None behind the end."""
        index = self.at + ahead
        return self.tokens.kinds[index] if index < self.end else None

    def word(self, ahead: int = 0) -> str:
        """The keyword or sign so many places ahead; empty for names in quotes, constants and the end."""
        index = self.at + ahead
        return self.words[index] if index < self.end else ""

    def at_words(self, *wanted: str, ahead: int = 0) -> bool:
        """Whether exactly these words come next."""
        index = self.at + ahead
        for word in wanted:
            if index >= self.end or self.words[index] != word:
                return False
            index += 1
        return True

    def take(self, *wanted: str) -> bool:
        """Goes over these words if they come next."""
        index = self.at
        for word in wanted:
            if index >= self.end or self.words[index] != word:
                return False
            index += 1
        self.at = index
        return True

    def take_any(self, *wanted: str) -> str:
        """Goes over one of these words and gives it, or gives an empty text."""
        word = self.words[self.at] if self.at < self.end else ""
        if word and word in wanted:
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
        at = self.at
        if at < self.end:
            kind = self.tokens.kinds[at]
            if kind is TokenKind.WORD:
                word = self.words[at]
                if label or word not in _NOT_NAMES:
                    self.at = at + 1
                    return word
            elif kind is TokenKind.QUOTED:
                self.at = at + 1
                return self.tokens.value(at)
        raise self.unexpected(what)

    def name(self, what: str = "a name") -> Name:
        """A name with at most a database and a schema before it."""
        first = self.identifier(what)
        if not self.take("."):
            return Name(first)
        parts = [first, self.identifier(what, label=True)]
        while self.take("."):
            parts.append(self.identifier(what, label=True))
        if len(parts) > 3:
            raise Unreadable(f"{'.'.join(parts)} has too many parts for a name")
        return Name(parts[-1], parts[-2])

    def string(self, what: str = "a string") -> str:
        """A string constant's value."""
        if self.kind() is not TokenKind.STRING:
            raise self.unexpected(what)
        self.at += 1
        return self.tokens.value(self.at - 1)

    def inside(self) -> "Cursor":
        """Goes over one pair of brackets; gives a cursor on what is between."""
        self.expect("(")
        start = self.at
        close = self.closing(start - 1)
        self.at = close + 1
        return Cursor(self.text, self.tokens, start, close)

    def closing(self, opening: int) -> int:
        """The index of the bracket that closes the one at this index."""
        if (known := self.tokens.closers.get(opening, self.end)) < self.end:
            return known
        depth = 0
        words = self.words
        for index in range(opening, self.end):
            if (word := words[index]) in _OPEN:
                depth += _OPEN[word]
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
        while self.at < self.end and not stop(self):
            self._over_one()
        return Cursor(self.text, self.tokens, start, self.at)

    def before(self, *stops: str) -> "Cursor":
        """Goes to one of these words outside brackets, or to the end; gives what is between."""
        start = self.at
        while self.at < self.end and self.words[self.at] not in stops:
            self._over_one()
        return Cursor(self.text, self.tokens, start, self.at)

    def _over_one(self) -> None:
        word = self.words[self.at]
        if word in _OPEN:
            if word in {")", "]"}:
                raise self.unexpected("an opening bracket before it")
            self.at = self.closing(self.at)
        self.at += 1

    def rest(self) -> "Cursor":
        """Goes to the end; gives all that was left."""
        start = self.at
        self.at = self.end
        return Cursor(self.text, self.tokens, start, self.end)

    def source(self) -> str:
        """The text from here to the end, exactly as written."""
        if self.done:
            return ""
        return self.text[self.tokens.starts[self.at] : self.tokens.ends[self.end - 1]]

    def skip_if_exists(self) -> bool:
        """Goes over IF EXISTS; whether it was there."""
        return self.take("if", "exists")

    def skip_if_not_exists(self) -> bool:
        """Goes over IF NOT EXISTS; whether it was there."""
        return self.take("if", "not", "exists")

    def cascade(self) -> bool:
        """Goes over CASCADE or RESTRICT; whether it was CASCADE."""
        return self.take_any("cascade", "restrict") == "cascade"
