"""RENAME TO and SET SCHEMA: a view has the new name until the old version of the application is gone.

The table keeps its old name until then, so that nothing at all changes for the version that runs today; what
a view cannot do concerns the new version alone, which has not been let in yet when it is found out.
https://www.postgresql.org/docs/current/sql-createview.html#SQL-CREATEVIEW-UPDATABLE-VIEWS
"""

from collections.abc import Iterator

from migsafe.catalog.model import Table
from migsafe.effects.model import Lock, LockMode
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep
from migsafe.plan.recipes import common
from migsafe.plan.replace.grants import copy_grants
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import MAX_IDENTIFIER_BYTES, Name, quote_identifier
from migsafe.sql.operations import RenameTable, SetSchema

_INVOKER_SINCE = 150000
_MERGE_SINCE = 170000
_BOTH_NAMES = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.EXPANDED, last=Stage.DROPPED),
)


def rename_table(operation: RenameTable | SetSchema, _wanted: Wanted, scene: Scene) -> Draft:
    """The rollout of a table's new name.

    Raises:
        PlanError: The table is not known, the new name is too long, or a view cannot stand in for the table.
    """
    table = common.known_table(scene.catalog, operation.table)
    old = table.name
    if isinstance(operation, RenameTable):
        new = Name(operation.new_name, old.schema)
        forward, back = f"RENAME TO {quote_identifier(new.name)}", f"RENAME TO {quote_identifier(old.name)}"
    else:
        new = Name(old.name, operation.new_schema)
        forward = f"SET SCHEMA {quote_identifier(operation.new_schema)}"
        back = f"SET SCHEMA {quote_identifier(old.schema or 'public')}"
    _refuse_unsupported(table, new, scene)
    tomb = Name(bounded("migsafe_tomb", new.name, make_tag(str(old), str(new))), new.schema)
    columns = ", ".join(quote_identifier(column.name) for column in table.columns)
    rights = " WITH (security_invoker = true)" if scene.server_version >= _INVOKER_SINCE else ""
    steps = (
        DdlStep(
            id=f"expand.view.{new.name}",
            stage=Stage.EXPANDED,
            title=f"Let a view have the name {new} besides",
            sql=(
                f"CREATE VIEW {new.sql}{rights} AS SELECT {columns} FROM {old.sql}",
                *copy_grants(table, new, to_view=True),
            ),
            undo=(f"DROP VIEW IF EXISTS {new.sql}",),
            locks=(Lock(old, LockMode.ACCESS_SHARE),),
        ),
        DdlStep(
            id=f"contract.rename.{old.name}",
            stage=Stage.TOMBSTONED,
            title=f"Give the name {new} to the table; the view becomes a tombstone",
            sql=(
                f"ALTER VIEW {new.sql} RENAME TO {quote_identifier(tomb.name)}",
                f"ALTER TABLE {old.sql} {forward}",
            ),
            undo=(
                f"ALTER TABLE {new.sql} {back}",
                f"ALTER VIEW {tomb.sql} RENAME TO {quote_identifier(new.name)}",
            ),
            locks=strong(new, old),
        ),
        DdlStep(
            id=f"contract.drop_view.{new.name}",
            stage=Stage.DROPPED,
            title=f"Drop the view {tomb.name}: the point of no return",
            sql=(f"DROP VIEW {tomb.sql}",),
            locks=strong(tomb),
        ),
    )
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Rename {old} to {new} while both names are in use",
            subject=old,
            application_change=True,
        ),
        compatibility=_BOTH_NAMES,
        steps=steps,
        warnings=tuple(_warnings(operation, table, new, scene)),
        busy=(old, new),
    )


def _refuse_unsupported(table: Table, new: Name, scene: Scene) -> None:
    if len(new.name.encode()) > MAX_IDENTIFIER_BYTES:
        raise PlanError(
            f"the name {new} is longer than {MAX_IDENTIFIER_BYTES} bytes; PostgreSQL would cut it"
        )
    if not table.columns_complete or not table.columns:
        raise PlanError(
            f"the columns of {table.name} are not all known, so no view can stand in for it",
            advice="Give the live database with --database, or its schema with --schema FILE.sql.",
        )
    if table.row_security and scene.server_version < _INVOKER_SINCE:
        raise PlanError(
            f"{table.name} has row security, which a view would go around before PostgreSQL 15",
            advice="Rename it in a maintenance window, or after the upgrade to PostgreSQL 15.",
        )


def _warnings(operation: RenameTable | SetSchema, table: Table, new: Name, scene: Scene) -> Iterator[str]:
    merge = "" if scene.server_version >= _MERGE_SINCE else "MERGE, "
    yield (
        f"Until the stage 'tombstoned' {new} is a view. The new version can SELECT (FOR UPDATE too), INSERT, "
        f"UPDATE, DELETE and ON CONFLICT (columns) there, but not: COPY {new} FROM, TRUNCATE, {merge}"
        "ON CONFLICT ON CONSTRAINT, GROUP BY the primary key alone, TABLESAMPLE, WHERE CURRENT OF, ctid, "
        "xmin, tableoid, pg_get_serial_sequence(), foreign keys to it."
    )
    yield (
        f"From 'tombstoned' on nothing has the name {table.name} any more. Functions whose bodies mention it "
        "are not known to the catalog: look for them, and for reports, scripts and replicas of other teams."
    )
    if isinstance(operation, SetSchema):
        yield f"Who uses {new} needs USAGE on the schema {operation.new_schema}: the plan does not grant it."
    if table.publications:
        yield (
            f"{table.name} is published by {', '.join(table.publications)}: a subscriber looks for it "
            "under its "
            "new name from 'tombstoned' on. Let the same name exist there first, or replication stops."
        )
