"""The script by which people make a table anew: create, copy, change the names."""

from collections.abc import Sequence
from dataclasses import dataclass

from migsafe.catalog.model import Catalog, Table
from migsafe.catalog.replay import apply
from migsafe.plan.migration import Wanted
from migsafe.sql.copy_rows import PlainCopy, plain_copy
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddConstraint,
    CreateIndex,
    CreateTable,
    DropConstraint,
    DropTable,
    Insert,
    LockTable,
    Operation,
    OtherStatement,
    Query,
    RenameConstraint,
    RenameIndex,
    RenameTable,
    TableOperation,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The script taken apart: `build` makes the new table, `after` follows the change of names.

    `kept` is the name under which the old table stays, None when it is dropped. `untied` are the foreign
    keys of other tables to the old one which the script drops, `tied` those to the new one which it adds.
    """

    old: Table
    new: Table
    copied: PlainCopy
    build: tuple[Wanted, ...]
    after: tuple[Wanted, ...]
    kept: Name | None
    length: int
    untied: frozenset[tuple[Name, str]] = frozenset()
    tied: tuple[AddConstraint, ...] = ()


def read_copy_script(wanted: Sequence[Wanted], catalog: Catalog) -> Script | None:
    """The script, when the next operations are one from the first on."""
    first = wanted[0].operation
    if not isinstance(first, CreateTable) or first.partition_of or first.as_query or first.temporary:
        return None
    new = catalog.resolve(first.table)
    at, copied, made = 1, None, {new}
    build = [wanted[0]]
    untied: set[tuple[Name, str]] = set()
    after_build = apply(catalog, first)
    while at < len(wanted) and not _moves(wanted[at].operation, after_build, copied):
        operation = wanted[at].operation
        found = plain_copy(wanted[at].sql) if isinstance(operation, Insert) else None
        if found is not None and catalog.resolve(found.into) == new:
            if copied is not None:
                return None
            copied = found
        elif _builds(operation, after_build, made):
            build.append(wanted[at])
            after_build = apply(after_build, operation)
            made |= {after_build.resolve(operation.table)} if isinstance(operation, CreateTable) else set()
        elif (tie := _untied(operation, catalog)) is not None:
            untied.add(tie)
        elif not isinstance(operation, LockTable) and not _is_setval(wanted[at]):
            return None
        at += 1
    old = catalog.table(copied.source) if copied else None
    if copied is None or old is None:
        return None
    moved = _names_changed(wanted[at:], old.name, new, catalog)
    if moved is None:
        return None
    kept, after, length = moved
    ties = [each.operation for each in after]
    untied |= {tie for each in ties if (tie := _untied(each, catalog)) is not None}
    tied = tuple(each for each in ties if isinstance(each, AddConstraint))
    if any(_references(catalog, *tie) != old.name for tie in untied):
        return None
    return Script(
        old=old,
        new=after_build.tables[new],
        copied=copied,
        build=tuple(build),
        after=tuple(each for each in after if not isinstance(each.operation, AddConstraint | DropConstraint)),
        kept=kept,
        length=at + length,
        untied=frozenset(untied),
        tied=tied,
    )


def _moves(operation: Operation, catalog: Catalog, copied: PlainCopy | None) -> bool:
    if copied is None or not isinstance(operation, RenameTable | DropTable):
        return False
    return catalog.resolve(operation.table) == catalog.resolve(copied.source)


def _builds(operation: Operation, catalog: Catalog, made: set[Name]) -> bool:
    match operation:
        case CreateTable(partition_of=Name() as parent):
            return catalog.resolve(parent) in made
        case RenameTable():
            return False
        case CreateIndex(table=table, concurrently=concurrently):
            return catalog.resolve(table) in made and not concurrently
        case TableOperation(table=table):
            return catalog.resolve(table) in made and not isinstance(operation, Insert)
        case OtherStatement(tag=tag, target=Name() as target):
            return catalog.resolve(target) in made and tag.startswith(("COMMENT", "GRANT"))
        case _:
            return False


def _is_setval(wanted: Wanted) -> bool:
    """The sequences go on by themselves."""
    return isinstance(wanted.operation, Query) and "setval" in wanted.operation.functions


def _untied(operation: Operation, catalog: Catalog) -> tuple[Name, str] | None:
    """A foreign key that is dropped."""
    if not isinstance(operation, DropConstraint) or operation.cascade:
        return None
    tie = (catalog.resolve(operation.table), operation.constraint)
    return tie if _references(catalog, *tie) else None


def _references(catalog: Catalog, name: Name, constraint: str) -> Name | None:
    table = catalog.table(name)
    found = table.constraint(constraint) if table else None
    return found.references if found else None


def _names_changed(
    wanted: Sequence[Wanted], old: Name, new: Name, catalog: Catalog
) -> tuple[Name | None, tuple[Wanted, ...], int] | None:
    """Under which name the old table stays, what follows, and how many operations that are."""
    if len(wanted) < 2:
        return None
    away, there = wanted[0].operation, wanted[1].operation
    if not isinstance(there, RenameTable) or there.table.name != new.name or there.new_name != old.name:
        return None
    kept = Name(away.new_name, old.schema) if isinstance(away, RenameTable) else None
    after: list[Wanted] = []
    length = 2
    for each in wanted[2:]:
        operation = each.operation
        if isinstance(operation, DropTable) and kept is not None and operation.table.name == kept.name:
            kept = None
        elif (
            isinstance(operation, RenameIndex | RenameConstraint)
            or _owns(operation)
            or _untied(operation, catalog) is not None
            or _ties_to(operation, old, catalog)
        ):
            after.append(each)
        else:
            break
        length += 1
    return kept, tuple(after), length


def _ties_to(operation: Operation, name: Name, catalog: Catalog) -> bool:
    """Whether another table gets a foreign key to the one that has this name then."""
    if not isinstance(operation, AddConstraint) or operation.constraint.references is None:
        return False
    return catalog.resolve(operation.constraint.references) == name and (
        catalog.resolve(operation.table) != name
    )


def _owns(operation: Operation) -> bool:
    return isinstance(operation, OtherStatement) and operation.tag == "ALTER SEQUENCE"
