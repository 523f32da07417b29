"""Expand and contract of one thing in one release: what is given to the new version and taken from the old.

A script that declares `contract` runs when the old version is gone, so what it takes away is no finding.
But then the new version serves already, and whatever it needs in exchange must be there from an earlier
release: a column that the same release only adds says that the declaration is wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from migsafe.lint.facts import Facts
from migsafe.lint.walk import Observation
from migsafe.sql.operations import AddColumn, DropColumn, DropNotNull, DropTable, TableOperation

CONTRACT = "contract"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Something that a release adds to a table, or makes optional on the way to dropping it."""

    table: str
    column: str
    what: str


def declared(facts: Facts, phase: str) -> Facts:
    """The facts of an operation in a script that declares this phase."""
    return replace(facts, phase=phase)  # type: ignore[arg-type]  # one of the words: the reader checked it


def given_by(observations: Iterable[Observation]) -> tuple[Given, ...]:
    """What these operations give to a table that was there before."""
    found: list[Given] = []
    for seen in observations:
        facts = seen.facts
        if facts.table_created_here:
            continue
        match seen.operation:
            case AddColumn():
                what = f"adds {facts.table}.{facts.column}"
                found.append(Given(table=facts.table, column=facts.column, what=what))
            case DropNotNull():
                what = f"makes {facts.table}.{facts.column} optional"
                found.append(Given(table=facts.table, column=facts.column, what=what))
            case _:
                pass
    return tuple(found)


def with_expands(
    observations: Sequence[Observation], release: Sequence[Given], *, phase: str
) -> tuple[Observation, ...]:
    """The observations of one script; what it takes away knows what the release gives in exchange."""
    if not phase:
        return tuple(observations)
    seen = (replace(each, facts=declared(each.facts, phase)) for each in observations)
    if phase != CONTRACT:
        return tuple(seen)
    return tuple(_with_expand(each, release) for each in seen)


def _with_expand(seen: Observation, release: Sequence[Given]) -> Observation:
    if not _takes(seen):
        return seen
    facts = seen.facts
    for given in release:
        if given.table != facts.table:
            continue
        is_same_column = given.column == facts.column
        # A column that is made optional is given only to those who stop writing it: on its way to be dropped.
        if given.what.startswith("adds") != is_same_column:
            return replace(seen, facts=replace(facts, expand_in_release=True, expanded_beside=given.what))
    return seen


def _takes(seen: Observation) -> bool:
    """Whether the old version loses something that it uses here."""
    return (
        isinstance(seen.operation, TableOperation | DropTable)
        and not seen.facts.table_created_here
        and (isinstance(seen.operation, DropColumn | DropTable) or not seen.facts.old_version_works)
        and not isinstance(seen.operation, AddColumn)
    )
