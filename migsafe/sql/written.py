"""A statement as it is written: its tokens by their offsets in the script, and the actions of ALTER TABLE."""

from collections.abc import Sequence
from dataclasses import dataclass

from migsafe.sql.lex import Token, TokenKind, Unlexable, lex
from migsafe.sql.script import ReadStatement

_DEPTH = {"(": 1, "[": 1, ")": -1, "]": -1}
_IF_EXISTS = ("if", "exists")


class NotAsExpected(Exception):
    """The statement is not written in a way that can be taken apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The tokens of one statement of a script; `offset` is where the statement starts."""

    text: str
    offset: int
    tokens: tuple[Token, ...]

    def start(self, index: int) -> int:
        """Where this token starts in the script."""
        return self.offset + self.tokens[index].start

    def end(self, index: int) -> int:
        """Where this token ends in the script."""
        return self.offset + self.tokens[index].end

    def slice(self, first: int, last: int) -> str:
        """The text from one token to another one, both included, as written."""
        return self.text[self.tokens[first].start : self.tokens[last].end]

    def word(self, index: int) -> str:
        """The keyword or sign at this place; empty for anything else."""
        if not 0 <= index < len(self.tokens):
            return ""
        token = self.tokens[index]
        return token.value if token.kind in {TokenKind.WORD, TokenKind.OTHER} else ""

    def at(self, index: int, *words: str) -> bool:
        """Whether these words stand here."""
        return all(self.word(index + ahead) == word for ahead, word in enumerate(words))

    def find(self, word: str, first: int, end: int) -> int | None:
        """The first place of this keyword outside of brackets."""
        depth = 0
        for index in range(first, end):
            depth += _DEPTH.get(self.word(index), 0)
            if depth == 0 and self.word(index) == word:
                return index
        return None

    def closing(self, index: int) -> int:
        """The place of the bracket that closes the one at `index`.

        Raises:
            NotAsExpected: No bracket opens here.
        """
        depth = 0
        for place in range(index, len(self.tokens)):
            depth += _DEPTH.get(self.word(place), 0)
            if depth == 0:
                if place == index:
                    break
                return place
        raise NotAsExpected

    def keywords(self, sql: str) -> str:
        """Keywords in the case of the statement's own first one."""
        return sql.lower() if self.tokens[0].text.islower() else sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action of ALTER TABLE: its tokens, the last one excluded."""

    first: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterTable:
    """ALTER TABLE as written: `target` is the table's name, with IF EXISTS where it was."""

    words: Words
    name: str
    target: str
    actions: tuple[Action, ...]

    def text(self, action: Action) -> str:
        """One of its actions, as written."""
        return self.words.slice(action.first, action.end - 1)

    def statement(self, action: str) -> str:
        """Another ALTER TABLE of the same table; `action` has its keywords in the right case already."""
        return f"{self.words.keywords('ALTER TABLE')} {self.target} {action}"


def words_of(statement: ReadStatement) -> Words:
    """The tokens of a statement.

    Raises:
        NotAsExpected: They cannot be told apart.
    """
    try:
        tokens = lex(statement.text)
    except Unlexable as error:
        raise NotAsExpected from error
    if not tokens:
        raise NotAsExpected
    return Words(text=statement.text, offset=statement.start, tokens=tuple(tokens))


def alter_table(statement: ReadStatement) -> AlterTable:
    """ALTER TABLE with its actions, one for each operation.

    Raises:
        NotAsExpected: It is another statement, or its actions are not those that were read.
    """
    words = words_of(statement)
    if not words.at(0, "alter", "table"):
        raise NotAsExpected
    at = 2
    if_exists = words.at(at, *_IF_EXISTS)
    at += 2 * if_exists
    at += words.at(at, "only")
    first = at
    at += 1
    while words.at(at, "."):
        at += 2
    name = words.slice(first, at - 1)
    at += words.at(at, "*")
    actions = _split(words, at)
    if len(actions) != len(statement.operations):
        raise NotAsExpected
    target = f"{words.keywords('IF EXISTS')} {name}" if if_exists else name
    return AlterTable(words=words, name=name, target=target, actions=actions)


def _split(words: Words, first: int) -> tuple[Action, ...]:
    found: list[Action] = []
    depth = 0
    for index in range(first, len(words.tokens)):
        depth += _DEPTH.get(words.word(index), 0)
        if depth == 0 and words.word(index) == ",":
            found.append(Action(first=first, end=index))
            first = index + 1
    return (*found, Action(first=first, end=len(words.tokens)))


def joined(parts: Sequence[str]) -> str:
    """Parts of SQL with one blank between those that are not empty."""
    return " ".join(part for part in parts if part)
