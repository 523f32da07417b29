"""Constraints that are written inside a column's definition, by their tokens."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from migsafe.sql.operations import ColumnDefinition, ConstraintDefinition, ConstraintKind
from migsafe.sql.written import Action, NotAsExpected, Words

# Reserved words, so that none of them can be a name or a part of a default.
_STARTS = {
    "check": ConstraintKind.CHECK,
    "references": ConstraintKind.FOREIGN_KEY,
    "unique": ConstraintKind.UNIQUE,
    "primary": ConstraintKind.PRIMARY_KEY,
}
# Where a constraint ends: the next one, or another option of the column.
_OTHERS = frozenset(
    {"constraint", "default", "null", "generated", "collate", "not", "compression", "storage"}
)
_PAIRS = {
    "not": frozenset({"deferrable", "distinct", "valid", "enforced"}),
    "set": frozenset({"null", "default"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """One of them: its tokens (the last one excluded, its name included) and its text without the name.

    `column` is the column's name as written.
    """

    definition: ConstraintDefinition
    first: int
    end: int
    column: str
    body: str

    @property
    def is_foreign_key(self) -> bool:
        """Whether a table constraint of its kind has to name the column."""
        return self.definition.kind is ConstraintKind.FOREIGN_KEY


def inline_constraints(
    words: Words, action: Action, column: ColumnDefinition, kinds: AbstractSet[ConstraintKind]
) -> tuple[Inline, ...]:
    """The column's constraints of these kinds, in order.

    Raises:
        NotAsExpected: What is written is not what was read.
    """
    at = action.first
    if not words.at(at, "add"):
        raise NotAsExpected
    at += 1 + words.at(at + 1, "column")
    written = words.slice(at, at)
    places = _places(words, at + 1, action.end)
    known = [each for each in column.constraints if each.kind in _STARTS.values()]
    if [kind for kind, _, _, _ in places] != [each.kind for each in known]:
        raise NotAsExpected
    found: list[Inline] = []
    for (kind, first, body, end), definition in zip(places, known, strict=True):
        if kind in kinds and not definition.not_enforced and not definition.not_valid:
            text = words.slice(body, end - 1)
            found.append(Inline(definition=definition, first=first, end=end, column=written, body=text))
    return tuple(found)


def _places(words: Words, first: int, end: int) -> list[tuple[ConstraintKind, int, int, int]]:
    """Kind, first token (of CONSTRAINT name), first token of the body, end."""
    found: list[tuple[ConstraintKind, int, int, int]] = []
    at = first
    while at < end:
        if words.word(at) in {"(", "["}:
            at = words.closing(at) + 1
            continue
        kind = _STARTS.get(words.word(at))
        if kind is None:
            at += 1
            continue
        named = words.at(at - 2, "constraint") and at - 2 >= first
        stop = _end(words, at + 1, end)
        found.append((kind, at - 2 if named else at, at, stop))
        at = stop
    return found


def _end(words: Words, at: int, end: int) -> int:
    while at < end:
        word = words.word(at)
        if word in {"(", "["}:
            at = words.closing(at) + 1
        elif words.word(at + 1) in _PAIRS.get(word, ()):
            at += 2
        elif word in _STARTS or word in _OTHERS:
            return at
        else:
            at += 1
    return end
