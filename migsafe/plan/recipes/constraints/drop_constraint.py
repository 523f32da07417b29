"""DROP CONSTRAINT and DROP NOT NULL: instant forward; going back proves the rows again without blocking.

What only refuses rows goes first of all, so that the new version may write them. What the old version may
need (a key for ON CONFLICT, a foreign key that cascades) stays until that version is gone.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DROP-CONSTRAINT
"""

from migsafe.catalog.find import family
from migsafe.catalog.model import Catalog, Constraint, Table
from migsafe.effects.model import Lock
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, DownMap
from migsafe.plan.recipes import common
from migsafe.plan.recipes.constraints import readd
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ConstraintKind, DropConstraint, DropNotNull

_KEYS = frozenset({ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY})
_ACTIONS = (" ON DELETE CASCADE", " ON DELETE SET ", " ON UPDATE CASCADE", " ON UPDATE SET ")


def drop_constraint(operation: DropConstraint, _wanted: Wanted, scene: Scene) -> Draft:
    """The end of a constraint, at the stage in which nobody needs it any more.

    Raises:
        PlanError: It is not known, or something else needs it.
    """
    table = common.known_table(scene.catalog, operation.table)
    found = table.constraint(operation.constraint)
    if found is None:
        what = f"constraint {operation.constraint} of {table.name}"
        raise parts.refuse_unknown(what, scene.catalog, if_exists=operation.constraint_if_exists)
    _refuse_needed(table, found, scene.catalog)
    stage = _stage(found)
    undo = _undo(table, found, scene) if stage is not Stage.DROPPED else ()
    kind = found.kind.value.replace("_", " ")
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Drop the {kind} {found.name} of {table.name}",
            subject=table.name,
            down_map=DownMap.LOSSY,
        ),
        compatibility=parts.LOOSENED if stage is Stage.EXPANDED else parts.LEAVING,
        steps=(
            DdlStep(
                id=f"{'expand' if stage is Stage.EXPANDED else 'contract'}.drop.{found.name}",
                stage=stage,
                title=f"Drop the {kind} {found.name} of {table.name}",
                sql=(f"ALTER TABLE {table.name.sql} DROP CONSTRAINT {quote_identifier(found.name)}",),
                undo=undo,
                undo_apart=True,
                locks=_locks(table, found, scene.catalog),
            ),
        ),
        warnings=_warnings(table, found, stage),
    )


def drop_not_null(operation: DropNotNull, wanted: Wanted, scene: Scene) -> Draft:
    """A column that may hold NULL from the first stage on.

    Raises:
        PlanError: The column is not known, or is part of a primary key or an identity.
    """
    table, column = common.known_column(scene.catalog, operation.table, operation.column)
    named = next((each for each in table.not_nulls if each.columns == (column.name,)), None)
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Let {column.name} of {table.name} hold NULL",
            subject=table.name,
            down_map=DownMap.LOSSY,
        ),
        compatibility=parts.LOOSENED,
        steps=(
            DdlStep(
                id=f"expand.{operation.kind}.{column.name}",
                stage=Stage.EXPANDED,
                title=f"Let {column.name} of {table.name} hold NULL",
                sql=(wanted.sql,),
                undo=tuple(readd.not_null(table, column.name, named)) if column.not_null else (),
                undo_apart=True,
                locks=strong(*sorted(each.name for each in family(scene.catalog, table.name))),
            ),
        ),
        warnings=(
            f"From the first NULL in {column.name} of {table.name} on, the version that runs today may read "
            "what it does not expect, and going back fails until there is none: deploy a version that can "
            "read NULL before the one that writes it.",
        ),
    )


def _stage(constraint: Constraint) -> Stage:
    match constraint.kind:
        case ConstraintKind.EXCLUDE:
            return Stage.DROPPED  # PostgreSQL builds its index under a lock: there is no gentle way back
        case kind if kind in _KEYS:
            gentle = "WITHOUT OVERLAPS" not in constraint.definition
            return Stage.TOMBSTONED if gentle else Stage.DROPPED
        case ConstraintKind.FOREIGN_KEY if any(action in constraint.definition for action in _ACTIONS):
            return Stage.TOMBSTONED
        case _:
            return Stage.EXPANDED


def _undo(table: Table, constraint: Constraint, scene: Scene) -> tuple[str, ...]:
    partitioned = table.partitioned
    match constraint.kind:
        case kind if kind in _KEYS and partitioned:
            return tuple(readd.key_of_partitions(table, constraint, scene.catalog))
        case kind if kind in _KEYS:
            return tuple(readd.key(table, constraint))
        case ConstraintKind.FOREIGN_KEY if (
            partitioned and scene.server_version < readd.PARTITIONED_FOREIGN_KEYS_NOT_VALID
        ):
            return tuple(readd.foreign_key_of_partitions(table, constraint, scene.catalog))
        case _:
            return tuple(readd.checked(table, constraint))


def _refuse_needed(table: Table, constraint: Constraint, catalog: Catalog) -> None:
    if constraint.inherited:
        raise PlanError(
            f"{constraint.name} of {table.name} is there because its parent has it",
            advice="Drop it at the parent.",
        )
    for name in table.referenced_by if constraint.index else ():
        other = catalog.table(name)
        for each in other.constraints if other else ():
            if each.references == table.name and each.referenced_index == constraint.index:
                raise PlanError(
                    f"the foreign key {each.name} of {name} needs {constraint.name} of {table.name}",
                    advice=f"Drop the foreign key first: ALTER TABLE {name} DROP CONSTRAINT {each.name};",
                )


def _locks(table: Table, constraint: Constraint, catalog: Catalog) -> tuple[Lock, ...]:
    tables: set[Name] = {each.name for each in family(catalog, table.name)}
    if constraint.references:
        tables |= {each.name for each in family(catalog, constraint.references)}
    return strong(*sorted(tables))


def _warnings(table: Table, constraint: Constraint, stage: Stage) -> tuple[str, ...]:
    what = f"{constraint.name} of {table.name}"
    match constraint.kind:
        case ConstraintKind.EXCLUDE:
            return (
                f"{what} is dropped in the very last stage, and refuses rows until then: PostgreSQL has no "
                "way to bring an exclusion constraint back without blocking the table.",
            )
        case ConstraintKind.PRIMARY_KEY:
            return (
                f"{what} stays while the old version runs. After it, logical replication refuses UPDATE and "
                "DELETE of a published table without a REPLICA IDENTITY: set one first where it is "
                "published.",
                "Going back fails while there are duplicates, or NULL in a column of the key.",
            )
        case kind if kind in _KEYS:
            return (
                f"{what} stays while the old version runs, whose ON CONFLICT may need it: until 'tombstoned' "
                "the new version's duplicates are refused. Going back fails while there are duplicates.",
            )
        case ConstraintKind.FOREIGN_KEY if stage is Stage.TOMBSTONED:
            return (
                f"{what} changes rows when the row they refer to is deleted or changed; it stays while the "
                "old version runs, which may count on that.",
            )
        case _:
            return (
                f"From the first row on that {what} would have refused, the version that runs today may read "
                "what it does not expect, and going back fails until there is none.",
            )
