"""SET UNLOGGED, LOGGED, TABLESPACE and ACCESS METHOD: a copy in the new form takes the table's place.

PostgreSQL would write the table anew under its strongest lock.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-TABLESPACE
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from migsafe.catalog.model import Catalog, Table
from migsafe.catalog.replay import apply
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted, read_migration
from migsafe.plan.recipes import common
from migsafe.plan.recipes.objects import parts
from migsafe.plan.recipes.tables.copied_table import copied
from migsafe.plan.recipes.tables.copy_script import read_copy_script
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import Generated, OtherTableAction

_FORMS = frozenset({"SET LOGGED", "SET UNLOGGED", "SET TABLESPACE", "SET ACCESS METHOD"})


def rewritten_table(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """A table in another place or form.

    Raises:
        PlanError: The table is not known, or cannot be copied.
    """
    operation = wanted[0].operation
    if not isinstance(operation, OtherTableAction) or operation.action not in _FORMS:
        return None
    if (known := scene.catalog.table(operation.table)) and scene.catalog.created_now(known):
        return None
    table = common.known_table(scene.catalog, operation.table)
    if _is_so(table, operation):
        return None
    if table.partitioned:
        raise PlanError(
            f"{table.name} is partitioned: {operation.action} would say it for new partitions only",
            advice="Change its partitions one at a time.",
        )
    statements = _script(table, operation, scene.catalog)
    each = read_migration(";\n".join(statements))
    script = read_copy_script(each, scene.catalog)
    if script is None or script.length != len(each):
        raise PlanError(f"there is no recipe for {operation.action} of {table.name}")
    draft = copied(script, scene, triggers_follow=True)
    change = replace(
        draft.change,
        kind=operation.kind,
        summary=f"{operation.action} of {table.name} by a copy, while in use",
    )
    return replace(draft, change=change), 1


def _is_so(table: Table, operation: OtherTableAction) -> bool:
    """Whether nothing would change."""
    return (operation.action, table.unlogged) in {("SET LOGGED", False), ("SET UNLOGGED", True)}


def _script(table: Table, operation: OtherTableAction, catalog: Catalog) -> Iterator[str]:
    """What a person would write to do it by hand."""
    old = table.name
    new = Name(bounded("migsafe_new", old.name, make_tag(str(old), operation.action)), old.schema)
    unlogged = operation.action == "SET UNLOGGED" or (table.unlogged and operation.action != "SET LOGGED")
    create = "CREATE UNLOGGED TABLE" if unlogged else "CREATE TABLE"
    create += f" {new.sql} (LIKE {old.sql} INCLUDING ALL EXCLUDING INDEXES)"
    method = operation.detail if operation.action == "SET ACCESS METHOD" else table.access_method
    place = operation.detail if operation.action == "SET TABLESPACE" else table.tablespace
    create += f" USING {method}" if method and method.upper() != "DEFAULT" else ""
    create += f" TABLESPACE {place}" if place else ""
    yield create
    tag = make_tag(str(old), operation.action)
    yield from _keys(table, new, tag)
    kept = [each.name for each in table.columns if each.generated in {None, Generated.IDENTITY}]
    columns = ", ".join(quote_identifier(each) for each in kept)
    yield f"INSERT INTO {new.sql} ({columns}) SELECT {columns} FROM {old.sql}"
    yield f"DROP TABLE {old.sql}"
    yield f"ALTER TABLE {new.sql} RENAME TO {quote_identifier(old.name)}"
    (first,) = read_migration(create)
    made = apply(catalog, first.operation).table(new) or table
    yield from _names(table, made, tag)


def _keys(old: Table, new: Name, tag: str) -> Iterator[str]:
    """The indexes and constraints of the old table, by names that are free while both are there."""
    behind = {constraint.index for constraint in old.constraints if constraint.index}
    for constraint in old.constraints:
        if constraint.references == old.name:
            raise PlanError(f"the foreign key {constraint.name} of {old.name} refers to {old.name} itself")
        if constraint.index or constraint.references:
            name = bounded("migsafe_new", constraint.name, tag) if constraint.index else constraint.name
            yield f"ALTER TABLE {new.sql} ADD CONSTRAINT {quote_identifier(name)} {constraint.definition}"
    for index in old.indexes:
        if index.name not in behind:
            _, _, tail = index.definition.partition(" USING ")
            if not tail:
                raise parts.inexact(f"index {index.name} of {old.name}")
            unique = "UNIQUE " if index.unique else ""
            name = quote_identifier(bounded("migsafe_new", index.name, tag))
            yield f"CREATE {unique}INDEX {name} ON {new.sql} USING {tail}"


def _names(old: Table, new: Table, tag: str) -> Iterator[str]:
    """The indexes and sequences of the copy get the names of those that are gone."""
    for index in old.indexes:
        copy = Name(bounded("migsafe_new", index.name, tag), new.name.schema)
        yield f"ALTER INDEX {copy.sql} RENAME TO {quote_identifier(index.name)}"
    for column in old.columns:
        copied_column = new.column(column.name)
        if column.generated is Generated.IDENTITY and copied_column and copied_column.sequences:
            name = quote_identifier(column.sequences[0].name)
            yield f"ALTER SEQUENCE {copied_column.sequences[0].sql} RENAME TO {name}"
