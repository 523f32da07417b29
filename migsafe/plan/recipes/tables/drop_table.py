"""DROP TABLE: the table gets a tombstone's name first, and goes when nobody has missed it.

DROP TABLE locks every table that a foreign key ties to it, in both directions; so the foreign keys go before
it, one at a time. https://www.postgresql.org/docs/current/sql-droptable.html
"""

from collections.abc import Iterator
from dataclasses import replace

from migsafe.catalog.model import Constraint, Table
from migsafe.catalog.replay import apply
from migsafe.effects.model import Lock, LockMode
from migsafe.effects.predict import effects_of
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, Step
from migsafe.plan.recipes import common
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import DropTable, RenameTable

_PARTITIONED_FOREIGN_KEYS_NOT_VALID = 180000
_UNUSED_BY_GREEN = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.PLANNED, last=Stage.DROPPED),
)


def drop_table(operation: DropTable, _wanted: Wanted, scene: Scene) -> Draft:
    """A table that the new version of the application does not use any more.

    Raises:
        PlanError: The table is not known, is a partition, or something else goes with it that must not.
    """
    table = common.known_table(scene.catalog, operation.table)
    if table.partition_of is not None:
        raise PlanError(
            f"{table.name} is a partition of {table.partition_of}",
            advice=f"Detach it first, in the same migration: ALTER TABLE {table.partition_of} DETACH "
            f"PARTITION {table.name};",
        )
    inbound = tuple(_inbound(table, scene))
    if operation.cascade:
        _refuse_views(table, scene)
    elif inbound:
        (referrer, constraint), *_ = inbound
        raise PlanError(
            f"PostgreSQL would refuse it: the foreign key {constraint.name} of {referrer.name} needs "
            f"{table.name}",
            advice=f"Drop it first, in the same migration: ALTER TABLE {referrer.name} DROP CONSTRAINT "
            f"{constraint.name}; or say CASCADE, if its columns stay and it shall go.",
        )
    tomb = Name(
        bounded("migsafe_tomb", table.name.name, make_tag(str(table.name), "drop")), table.name.schema
    )
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Drop {table.name} after a time as a tombstone",
            subject=table.name,
            application_change=True,
        ),
        compatibility=_UNUSED_BY_GREEN,
        steps=(
            *(_release(table, *each, scene) for each in inbound),
            DdlStep(
                id=f"contract.tombstone.{table.name.name}",
                stage=Stage.TOMBSTONED,
                title=f"Rename {table.name} to its tombstone",
                sql=(f"ALTER TABLE {table.name.sql} RENAME TO {quote_identifier(tomb.name)}",),
                undo=(f"ALTER TABLE {tomb.sql} RENAME TO {quote_identifier(table.name.name)}",),
                locks=strong(table.name),
            ),
            *drop_steps(table, tomb, scene),
        ),
        warnings=tuple(_warnings(table, inbound)),
        busy=(table.name,),
    )


def _inbound(table: Table, scene: Scene) -> Iterator[tuple[Table, Constraint]]:
    """The foreign keys of other tables that refer to it."""
    for name in table.referenced_by:
        referrer = scene.catalog.table(name)
        for constraint in referrer.constraints if referrer and name != table.name else ():
            if constraint.references == table.name and constraint.parent is None and referrer:
                yield referrer, constraint


def _refuse_views(table: Table, scene: Scene) -> None:
    readers = sorted(str(view.name) for view in scene.catalog.views.values() if table.name in view.reads)
    if readers:
        raise PlanError(
            f"DROP TABLE {table.name} CASCADE would take along: {', '.join(readers)}",
            advice="Drop them first, each by name: they may be used where the table is not.",
        )


def _release(table: Table, referrer: Table, constraint: Constraint, scene: Scene) -> Step:
    """A foreign key to the table goes with the last writer of the table, and comes back in two steps."""
    if referrer.partitioned and scene.server_version < _PARTITIONED_FOREIGN_KEYS_NOT_VALID:
        raise PlanError(
            f"the foreign key {constraint.name} of {referrer.name} could not be taken back without a long "
            "lock: before PostgreSQL 18 those of partitioned tables are never NOT VALID",
            advice="Drop it first, by a migration of its own.",
        )
    alter, quoted = f"ALTER TABLE {referrer.name.sql}", quote_identifier(constraint.name)
    return DdlStep(
        id=f"contract.foreign_key.{referrer.name.name}.{constraint.name}",
        stage=Stage.TOMBSTONED,
        title=f"Drop the foreign key {constraint.name} of {referrer.name}",
        sql=(f"{alter} DROP CONSTRAINT {quoted}",),
        undo=(
            f"{alter} DROP CONSTRAINT IF EXISTS {quoted}, ADD CONSTRAINT {quoted} {constraint.definition} "
            "NOT VALID",
            *((f"{alter} VALIDATE CONSTRAINT {quoted}",) if constraint.validated else ()),
        ),
        undo_apart=True,
        locks=strong(*sorted((referrer.name, table.name))),
    )


def drop_steps(table: Table, tomb: Name, scene: Scene) -> Iterator[DdlStep]:
    """The steps that drop a table which has its tombstone's name; the last one drops the table itself."""
    catalog = apply(scene.catalog, RenameTable(table=table.name, new_name=tomb.name))
    outbound = [
        each for each in table.constraints if each.references not in {None, table.name} and not each.inherited
    ]
    for constraint in outbound if len({each.references for each in outbound}) > 1 else ():
        parent = constraint.references or table.name
        yield DdlStep(
            id=f"contract.foreign_key.{constraint.name}",
            stage=Stage.DROPPED,
            title=f"Drop the foreign key {constraint.name}, so that {parent} is not locked together with "
            "others",
            sql=(f"ALTER TABLE {tomb.sql} DROP CONSTRAINT {quote_identifier(constraint.name)}",),
            locks=strong(*sorted((tomb, parent))),
        )
        kept = catalog.table(tomb)
        if kept is not None:
            rest = tuple(each for each in kept.constraints if each.name != constraint.name)
            catalog = catalog.with_table(replace(kept, constraints=rest))
    effects = effects_of(DropTable(table=tomb, cascade=True), catalog, scene.server_version)
    yield DdlStep(
        id=f"contract.drop.{table.name.name}",
        stage=Stage.DROPPED,
        title=f"Drop {tomb.name}: the point of no return",
        sql=(f"DROP TABLE {tomb.sql}",),
        locks=tuple(Lock(lock.relation, LockMode.ACCESS_EXCLUSIVE) for lock in effects.locks) or strong(tomb),
    )


def _warnings(table: Table, inbound: tuple[tuple[Table, Constraint], ...]) -> Iterator[str]:
    yield (
        f"From 'tombstoned' on nothing has the name {table.name} any more. Functions whose bodies mention "
        "it are "
        "not known to the catalog: look for them, and for reports and scripts of other teams."
    )
    for name in sorted(
        {str(each.references) for each in table.constraints if each.references} - {str(table.name)}
    ):
        yield (
            f"The foreign key of {table.name} to {name} holds until the table is dropped: a DELETE in "
            f"{name} of a "
            "row that is referred to fails, or takes rows along, as it does today."
        )
    for referrer, constraint in inbound:
        yield (
            f"The foreign key {constraint.name} of {referrer.name} holds until 'tombstoned': what the new "
            f"version writes there must be in {table.name}, or NULL, until then."
        )
    if table.publications:
        yield f"{table.name} is published by {', '.join(table.publications)}: take it out of there first."
