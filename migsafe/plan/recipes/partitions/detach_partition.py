"""DETACH PARTITION: CONCURRENTLY where there is no default partition; the way back is kept short.

DETACH CONCURRENTLY leaves a CHECK on the table that proves its bounds, so that it could be attached again
without a scan; it goes with the tombstone stage.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION
"""

from migsafe.catalog.model import Table
from migsafe.catalog.names import made_up_name
from migsafe.effects.predict import effects_of
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, ConcurrentStep, DdlStep, Step
from migsafe.plan.recipes import common
from migsafe.plan.recipes.partitions.bounds import fits, key_columns
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import quote_identifier, quote_literal
from migsafe.sql.operations import ConstraintKind, DetachPartition

_ROWS_LEAVE = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.PLANNED, last=Stage.DROPPED),
)


def detach_partition(operation: DetachPartition, _wanted: Wanted, scene: Scene) -> Draft:
    """A partition whose rows leave the table.

    Raises:
        PlanError: One of the tables is not known, or the partition is none of this table.
    """
    parent = common.known_table(scene.catalog, operation.table)
    child = common.known_table(scene.catalog, operation.partition)
    if child.partition_of != parent.name or not child.partition_bound:
        raise PlanError(f"PostgreSQL would refuse it: {child.name} is no partition of {parent.name}")
    if operation.finalize or child.detaching:
        raise PlanError(
            f"an earlier DETACH CONCURRENTLY of {child.name} has not ended",
            advice=f"End it first: ALTER TABLE {parent.name} DETACH PARTITION {child.name} FINALIZE;",
        )
    default = next((each for each in scene.catalog.children(parent.name) if each.default_partition), None)
    steps = _at_once(parent, child, default, scene) if default else _concurrently(parent, child, scene)
    warnings = [
        f"From 'tombstoned' on {parent.name} is without the rows of {child.name}: they are in that table "
        "alone."
    ]
    if default is not None and default.name != child.name:
        warnings.append(
            f"{parent.name} has a default partition, so it is detached under a lock, for moments. New rows "
            f"within the bounds of {child.name} go into {default.name} from then on; the way back refuses "
            "while there are any."
        )
    if parent.referenced_by:
        names = ", ".join(map(str, parent.referenced_by))
        warnings.append(
            f"PostgreSQL looks whether rows of {names} refer to rows of {child.name}, and refuses if they "
            "do: an index on the referring columns makes that short."
        )
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Detach {child.name} from {parent.name} without a lock that blocks",
            subject=parent.name,
            application_change=True,
        ),
        compatibility=_ROWS_LEAVE,
        steps=steps,
        warnings=tuple(warnings),
    )


def _concurrently(parent: Table, child: Table, scene: Scene) -> tuple[Step, ...]:
    detach = f"ALTER TABLE {parent.name.sql} DETACH PARTITION {child.name.sql}"
    inherits = f"EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = {_regclass(child)}"
    check = quote_identifier(_left_behind(parent, child, scene))
    return (
        ConcurrentStep(
            id=f"contract.detach.{child.name.name}",
            stage=Stage.TOMBSTONED,
            title=f"Detach {child.name} from {parent.name}, while reads and writes go on",
            table=parent.name,
            sql=f"{detach} CONCURRENTLY",
            done=f"NOT {inherits})",
            broken=f"{inherits} AND inhdetachpending)",
            mend=f"{detach} FINALIZE",
            undo=(
                f"ALTER TABLE {parent.name.sql} ATTACH PARTITION {child.name.sql} {child.partition_bound}",
                f"ALTER TABLE {child.name.sql} DROP CONSTRAINT IF EXISTS {check}",
            ),
        ),
        DdlStep(
            id=f"contract.drop_check.{child.name.name}",
            stage=Stage.DROPPED,
            title=f"Drop the proof of its bounds from {child.name}: the point of no return",
            sql=(f"ALTER TABLE IF EXISTS {child.name.sql} DROP CONSTRAINT IF EXISTS {check}",),
            locks=strong(child.name),
        ),
    )


def _left_behind(parent: Table, child: Table, scene: Scene) -> str:
    """The name of the CHECK that DETACH CONCURRENTLY makes."""
    taken = {constraint.name for constraint in (*child.constraints, *child.not_nulls)}
    columns = key_columns(parent, scene.catalog)
    named = tuple(columns) if len(columns) == 1 and columns[0] else ()
    return made_up_name(child.name.name, ConstraintKind.CHECK, named, lambda name: name not in taken)


def _at_once(parent: Table, child: Table, default: Table | None, scene: Scene) -> tuple[Step, ...]:
    """Under the parent's strongest lock, for moments; the way back proves everything before it locks."""
    bound = child.partition_bound or ""
    condition = fits(parent, bound, scene.catalog)
    check = quote_identifier(
        bounded("migsafe_fits", child.name.name, make_tag(str(child.name), str(parent.name), "detach"))
    )
    proofs = [(child, condition)]
    if default is not None and default.name != child.name:
        proofs.append((default, f"NOT ({condition})"))
    alters = [(f"ALTER TABLE {table.name.sql}", proof) for table, proof in proofs]
    attach = f"ALTER TABLE {parent.name.sql} ATTACH PARTITION {child.name.sql} {bound}"
    attached = f"EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = {_regclass(child)})"
    undo = [_refuse_rows(table, f"NOT ({proof})") for table, proof in proofs[1:]]
    for alter, proof in alters:
        undo.append(
            f"{alter} DROP CONSTRAINT IF EXISTS {check}, ADD CONSTRAINT {check} CHECK ({proof}) NOT VALID"
        )
        undo.append(f"{alter} VALIDATE CONSTRAINT {check}")
    undo.append(f"DO $$ BEGIN IF NOT {attached} THEN {attach}; END IF; END $$")
    undo += [f"{alter} DROP CONSTRAINT IF EXISTS {check}" for alter, _ in alters]
    effects = effects_of(
        DetachPartition(table=parent.name, partition=child.name), scene.catalog, scene.server_version
    )
    return (
        DdlStep(
            id=f"contract.detach.{child.name.name}",
            stage=Stage.TOMBSTONED,
            title=f"Detach {child.name} from {parent.name}, for moments under its lock",
            sql=(f"ALTER TABLE {parent.name.sql} DETACH PARTITION {child.name.sql}",),
            undo=tuple(undo),
            undo_apart=True,
            locks=effects.locks or strong(parent.name, child.name),
        ),
    )


def _regclass(table: Table) -> str:
    return f"{quote_literal(table.name.sql)}::regclass"


def _refuse_rows(table: Table, condition: str) -> str:
    """Fails before anything is locked or refused, when rows stand in the way."""
    return (
        f"DO $$ BEGIN IF EXISTS (SELECT FROM {table.name.sql} WHERE {condition}) THEN RAISE EXCEPTION "
        f"'{table.name.sql.replace(chr(39), chr(39) * 2)} holds rows within the bounds of the partition: "
        "move them into it first'; END IF; END $$"
    )
