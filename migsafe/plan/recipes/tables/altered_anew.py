"""ALTER TABLE that only a copy of the table can bear while it is in use.

A stored generated column is computed anew only with the whole table; a column of a domain that demands
something, and the index of an exclusion constraint, come in no other way either. The copy is altered while it
is empty. https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from migsafe.catalog.model import Column, Table
from migsafe.effects.columns import reads_column
from migsafe.effects.domains import domains_behind
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import IDENTITY, type_sql
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import DownMap
from migsafe.plan.recipes import common
from migsafe.plan.recipes.as_it_is import as_it_is
from migsafe.plan.recipes.columns.way import Way, way_of
from migsafe.plan.recipes.constraints.add_constraint import is_plain_equality
from migsafe.plan.recipes.tables.anew import form_like, made_anew
from migsafe.plan.replace.column import primary_key
from migsafe.plan.sync.pair import make_tag
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AlterColumnType,
    ConstraintKind,
    DropColumn,
    Generated,
    OtherTableAction,
    TableOperation,
    TypeName,
)
from migsafe.sql.script import read_script
from migsafe.sql.written import alter_table

_COMPUTED = frozenset({Generated.STORED, Generated.VIRTUAL})


def altered_anew(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """The draft of such an ALTER TABLE; None for all that has another way.

    Raises:
        PlanError: The table cannot be made anew, or the column not be converted.
    """
    first = wanted[0].operation
    if not isinstance(first, TableOperation):
        return None
    table = scene.catalog.table(first.table)
    if table is None or scene.catalog.created_now(table) or table.foreign:
        return None
    match first:
        case AddConstraint(constraint=constraint) if constraint.kind is ConstraintKind.EXCLUDE:
            if constraint.not_valid or is_plain_equality(constraint):
                return None
            draft = _plainly(wanted[0], table, scene, f"Add an exclusion constraint to {table.name}")
        case AddColumn(column=column) if _demanding(column.type, scene) and column.generated is None:
            if (column.not_null or _refuses_null(column.type, scene)) and column.default is None:
                return None
            summary = f"Add {column.name} to {table.name}, of a domain that demands something,"
            draft = _plainly(wanted[0], table, scene, summary)
        case OtherTableAction(action="ALTER COLUMN SET EXPRESSION"):
            draft = _plainly(wanted[0], table, scene, f"Compute a column of {table.name} anew")
        case _:
            return _retyped(wanted, table, scene)
    return (draft, 1) if draft else None


def _demanding(kind: TypeName, scene: Scene) -> bool:
    return any(each.constrained for each in domains_behind(scene.catalog, kind))


def _refuses_null(kind: TypeName, scene: Scene) -> bool:
    return any(each.not_null for each in domains_behind(scene.catalog, kind))


def _plainly(wanted: Wanted, table: Table, scene: Scene, summary: str) -> Draft | None:
    """The action as it is written, on the copy; the rows are copied as they are."""
    if as_it_is(wanted, scene) is not None:
        return None
    form = form_like(
        table,
        tag=make_tag(str(table.name), _action(wanted)),
        kind=wanted.operation.kind,
        summary=f"{summary} by a copy, while in use",
    )
    draft = made_anew(table, replace(form, alterations=(_action(wanted),)), scene)
    return replace(draft, warnings=(*draft.warnings, *_told(table)))


def _action(wanted: Wanted) -> str:
    """What follows the name of the table."""
    (statement,) = read_script(wanted.sql).statements
    whole = alter_table(statement)
    return whole.text(whole.actions[0])


def _told(table: Table) -> Iterator[str]:
    yield common.stale_star(table.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Retyping:
    """A change of type with the computed columns that the migration drops before it and adds after it."""

    operation: AlterColumnType
    wanted: Wanted
    dropped: tuple[str, ...]
    added: tuple[Wanted, ...]
    length: int


def _read(wanted: Sequence[Wanted], table: Table) -> _Retyping | None:
    place, dropped = 0, []
    while place < len(wanted) and isinstance(drop := wanted[place].operation, DropColumn):
        column = table.column(drop.column)
        if column is None or column.generated not in _COMPUTED or drop.table.name != table.name.name:
            return None
        dropped.append(drop.column)
        place += 1
    if place == len(wanted) or not isinstance(operation := wanted[place].operation, AlterColumnType):
        return None
    if operation.table.name != table.name.name:
        return None
    changed, added = wanted[place], []
    place += 1
    while place < len(wanted) and isinstance(add := wanted[place].operation, AddColumn):
        if add.table.name != table.name.name or add.column.generated not in _COMPUTED:
            break
        added.append(wanted[place])
        place += 1
    return _Retyping(
        operation=operation, wanted=changed, dropped=tuple(dropped), added=tuple(added), length=place
    )


def _retyped(wanted: Sequence[Wanted], table: Table, scene: Scene) -> tuple[Draft, int] | None:
    found = _read(wanted, table)
    if found is None:
        return None
    column = table.column(found.operation.column)
    if column is None or not (found.dropped or _needs_copy(table, column, found, scene)):
        return None
    computed = [
        each
        for each in table.columns
        if each.generated in _COMPUTED and each.name not in found.dropped and reads_column(each, column.name)
    ]
    _refuse(table, column, scene)
    if _refuses_null(found.operation.type, scene):
        raise PlanError(
            f"{found.operation.type} is NOT NULL: a value that cannot become one would have no place in the "
            "copy until it is corrected, and the domain's NOT NULL cannot be proven of a column beforehand",
            advice="Use a domain with a CHECK alone, and say SET NOT NULL of the column: both have a plan.",
        )
    tag = make_tag(str(table.name), column.name, str(found.operation.type), "anew")
    way = Way(conversion=IDENTITY)
    if column.generated is None:
        way = way_of(found.operation, found.wanted, table, column, scene, tag=tag, by_copy=True)
    gone = (*found.dropped, *(each.name for each in computed))
    form = replace(
        form_like(
            table,
            tag=tag,
            kind=found.operation.kind,
            summary=f"Change {column.name} of {table.name} from {column.type} to {found.operation.type} by a "
            "copy, while in use",
        ),
        alterations=(
            *(f"DROP COLUMN {quote_identifier(name)}" for name in gone),
            _action(found.wanted),
            *(action for each in computed for action in _again(table, each)),
            *(_action(each) for each in found.added),
        ),
        comments=tuple(_comments(computed)),
        conversions={} if column.generated else {column.name: way.conversion},
        helpers=way.helpers,
    )
    draft = made_anew(table, form, scene)
    down_map = DownMap.TOTAL if column.generated else way.conversion.down_map
    return (
        replace(
            draft,
            change=replace(draft.change, down_map=down_map),
            mends=True,
            warnings=(
                common.stale_column(column.name),
                *draft.warnings,
                *way.warnings,
                *_loss(column, down_map),
                *_told(table),
            ),
        ),
        found.length,
    )


def _needs_copy(table: Table, column: Column, found: _Retyping, scene: Scene) -> bool:
    """Whether a new column next to it could not take its place."""
    if as_it_is(found.wanted, scene) is not None:
        return False
    excluded = any(
        each.kind is ConstraintKind.EXCLUDE and column.name in each.columns for each in table.constraints
    )
    read = any(reads_column(each, column.name) for each in table.columns if each is not column)
    return excluded or read or column.generated in _COMPUTED or _demanding(found.operation.type, scene)


def _refuse(table: Table, column: Column, scene: Scene) -> None:
    what = f"column {column.name} of {table.name}"
    why = "so that only a copy of the table can have the new type"
    if scene.options.new_column is not None or scene.options.on_misfit is not None:
        raise PlanError(
            f"{what} is computed, read by a generated column, in an exclusion constraint, or to be of a "
            f"domain that demands something, {why}",
            advice="Plan without --new-column and --on-misfit: the copy takes the name of the table.",
        )
    if column.name in primary_key(table):
        raise PlanError(
            f"{what} is part of the primary key, by which the rows of the copy are told apart, and a "
            f"generated column, an exclusion constraint or a domain stands in the way of a new column, {why}",
            advice="Drop the generated column or the constraint first and add it again after, in migrations "
            "of their own.",
        )
    if column.generated is Generated.IDENTITY or column.sequences:
        raise PlanError(f"{what} has a sequence, and a generated column reads it: there is no recipe yet")


def _again(table: Table, column: Column) -> Iterator[str]:
    """The computed column as it was, and what was said of it, by actions of ALTER TABLE."""
    quoted = quote_identifier(column.name)
    collation = f" COLLATE {column.extras.collation}" if column.extras and column.extras.collation else ""
    kind = column.generated.value.upper() if column.generated else ""
    named = next((each for each in table.not_nulls if each.columns == (column.name,)), None)
    not_null = f" CONSTRAINT {quote_identifier(named.name)} NOT NULL" if named else ""
    if column.not_null and not named:
        not_null = " NOT NULL"
    yield (
        f"ADD COLUMN {quoted} {type_sql(column.type)}{collation} GENERATED ALWAYS AS ({column.generated_as}) "
        f"{kind}{not_null}"
    )
    for setting in (*column.extras.settings, *column.extras.storage) if column.extras else ():
        yield f"ALTER COLUMN {quoted} {setting}"
    for each in table.constraints:
        if each.kind is ConstraintKind.CHECK and column.name in each.columns:
            yield f"ADD CONSTRAINT {quote_identifier(each.name)} {each.definition}"


def _comments(columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    for each in columns:
        if each.extras and each.extras.comment is not None:
            yield each.name, each.extras.comment


def _loss(column: Column, down_map: DownMap) -> Iterator[str]:
    if down_map is not DownMap.TOTAL:
        yield (
            f"Point of no return for data: a new value of {column.name} that {column.type} cannot hold "
            "becomes NULL or the nearest value in the old table, or is left out there where that is refused. "
            "It is noted, and `migsafe status` counts it."
        )
