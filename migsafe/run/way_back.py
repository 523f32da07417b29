"""Going back takes the new shape away: never where that is the only copy, and also when the table is gone."""

from migsafe.errors import StateRefused
from migsafe.plan.model import Plan
from migsafe.plan.stages import Version
from migsafe.run.connect import Conn
from migsafe.run.events import Notice
from migsafe.run.intact import OURS, find_lost, listed, made_by, operations_of, remedies
from migsafe.run.ledger.rollouts import read_rollout
from migsafe.run.session import Session
from migsafe.sql.names import Name
from migsafe.sql.operations import Operation, OtherStatement, TableOperation

_NO_COLUMN = """
    SELECT to_regclass(%(table)s) IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass(%(table)s) AND attname = %(column)s AND NOT attisdropped)
"""
_ELSEWHERE = """
    SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = %s AND t.tgname = ANY (%s) LIMIT 1
"""


def require_way_back(session: Session) -> None:
    """Make sure that nothing is lost when the rollout goes back from where it stands.

    Raises:
        StateRefused: What the new version wrote may be missing in the old shape, or the old shape is gone.
    """
    plan, rollout = session.plan, read_rollout(session.conn, session.plan.name)
    if rollout is None or not plan.compatibility.allows(Version.GREEN, rollout.stage):
        return
    lost = [each for each in find_lost(session) if not _is_missing(session.conn, each.trigger.table)]
    if lost:
        raise StateRefused(
            f"{listed(lost)}: what the new version wrote since then is missing in the old shape, and going "
            "back would lose it",
            advice=f"{remedies(lost)}\nBring the rows of both shapes in line, then run it again.",
        )


def require_old_columns(session: Session) -> None:
    """Make sure, before new columns are dropped, that the old ones are there.

    Raises:
        StateRefused: Somebody dropped or renamed one.
    """
    for table, column in _old_columns(session.plan):
        row = session.conn.execute(_NO_COLUMN, {"table": table.sql, "column": column}).fetchone()
        if row is not None and row[0]:
            raise StateRefused(
                f"the old column {column} of {table} is not there any more: somebody dropped or renamed it. "
                "The new one, which goes when all is taken back, may hold the only copy of its values",
                advice=f"Give {column} its name back, or make it again and fill it from the new column. Then "
                "run the same command again; nothing was taken back.",
            )


def is_about_something(session: Session, statement: str) -> bool:
    """Whether the statement has something to do: not so when somebody dropped the table that it is about.

    One that was only renamed still has our triggers; then the statement fails, and a person looks.
    """
    tables = {table for each in operations_of((statement,)) if (table := _table(each)) is not None}
    if not tables or not all(_is_missing(session.conn, table) for table in tables):
        return True
    names = [trigger.name for step in session.plan.steps for trigger in made_by(session.plan, {step.id})]
    if session.conn.execute(_ELSEWHERE, (OURS, names)).fetchone() is not None:
        return True
    gone = ", ".join(sorted(map(str, tables)))
    session.emit(Notice(text=f"{gone} was dropped by somebody: left out what would have taken its part back"))
    return False


def _old_columns(plan: Plan) -> list[tuple[Name, str]]:
    """The columns that were there before the rollout and make way: not what an earlier change of it makes."""
    made, old = set[tuple[Name, str]](), list[tuple[Name, str]]()
    for change in plan.changes:
        if change.column is None:
            continue
        if (change.subject, change.column.old) not in made:
            old.append((change.subject, change.column.old))
        made.add((change.subject, change.column.new))
    return old


def _table(operation: Operation) -> Name | None:
    match operation:
        case TableOperation(table=table):
            return table
        case OtherStatement(tag="CREATE TRIGGER" | "DROP TRIGGER", target=target):
            return target
        case _:
            return None


def _is_missing(conn: Conn, table: Name) -> bool:
    row = conn.execute("SELECT to_regclass(%s) IS NULL", (table.sql,)).fetchone()
    return row is not None and bool(row[0])
