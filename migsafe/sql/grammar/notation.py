"""Reads statements.grammar into nodes.

A rule is `NAME: pattern`, and goes on in the lines that are indented. In a pattern UPPER words are
keywords, 'x' is a sign, lower words are other rules or primitives, [x] may be left out, (x | y) is a
choice, {x} is x with commas between, x* is x any number of times, and label=x keeps what x stands for.
The first alternative that fits is taken: the longer of two goes first.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

_PIECE = re.compile(r"\s*(?:([a-z_]+)=|([A-Z_][A-Z_0-9]*)|([a-z_]+)|'([^']+)'|([\[\](){}|*]))")
_RULE = re.compile(r"^(\S[^:]*):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Word:
    """A keyword or sign, in lower case."""

    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Another rule, or a primitive."""

    name: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The first that fits."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Maybe:
    """Once or not at all."""

    inner: "Node"


@dataclass(frozen=True, slots=True)
class Many:
    """Any number of times, also never."""

    inner: "Node"


@dataclass(frozen=True, slots=True)
class Listed:
    """Once or more, with commas between."""

    inner: "Node"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Kept under a name."""

    label: str
    inner: "Node"


Node = Word | Reference | Sequence | Choice | Maybe | Many | Listed | Labelled


@cache
def rules() -> dict[str, Node]:
    """All rules by name: a statement's is its command tag, in upper case."""
    text = resources.files(__package__).joinpath("statements.grammar").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    parts = _RULE.split(text)[1:]
    return {name.strip(): _Reader(body).all() for name, body in zip(parts[::2], parts[1::2], strict=True)}


class _Reader:
    """One pattern, from left to right."""

    def __init__(self, text: str) -> None:
        found = list(_PIECE.finditer(text.rstrip()))
        rest = text.rstrip()[found[-1].end() :] if found else text
        if rest.strip() or sum(len(piece.group()) for piece in found) != len(text.rstrip()):
            raise ValueError(f"not in the grammar's notation: {text!r}")
        self.pieces = [piece.groups() for piece in found]
        self.at = 0

    def all(self) -> Node:
        node = self.choice()
        if self.at < len(self.pieces):
            raise ValueError(f"a bracket too many: {self.pieces}")
        return node

    def choice(self) -> Node:
        options = [self.sequence()]
        while self.sign() == "|":
            self.at += 1
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.at < len(self.pieces) and self.sign() not in {"]", ")", "}", "|"}:
            parts.append(self.element())
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def element(self) -> Node:
        label, keyword, name, literal, sign = self.pieces[self.at]
        self.at += 1
        node: Node
        if label:
            return Labelled(label, self.element())
        if keyword:
            node = Word(keyword.lower())
        elif name:
            node = Reference(name)
        elif literal:
            node = Word(literal)
        else:
            inner = self.choice()
            self.at += 1
            node = Maybe(inner) if sign == "[" else Listed(inner) if sign == "{" else inner
        while self.sign() == "*":
            self.at += 1
            node = Many(node)
        return node

    def sign(self) -> str:
        return self.pieces[self.at][4] or "" if self.at < len(self.pieces) else ""
