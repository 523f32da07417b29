"""Runs scripts on a real server, and holds every statement against its prediction."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import psycopg

from migsafe.effects.script import ScriptEffects, StatementEffects
from migsafe.sql.operations import (
    Begin,
    Commit,
    CreateTable,
    Delete,
    Insert,
    Operation,
    OtherStatement,
    Query,
    ResetSetting,
    Rollback,
    Savepoint,
    SetSetting,
    Truncate,
    Unread,
    Update,
)
from migsafe.sql.script import ReadStatement, StatementKind
from migsafe.verify.compare import differences
from migsafe.verify.model import Observed
from migsafe.verify.observe import Connection, failed, observe, query, relations
from migsafe.verify.watch import watch

_FROM_STDIN = re.compile(r"\Acopy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.DOTALL)
_CONTROL = Begin | Commit | Rollback | Savepoint | SetSetting | ResetSetting
# What these read is up to the planner (or, for TRUNCATE, counted of tables that are empty by then).
_PLANNED = Query | Insert | Update | Delete | Truncate
_PLANNED_TAGS = (
    "CREATE MATERIALIZED VIEW",
    "CREATE VIEW",
    "EXPLAIN",
    "REFRESH",
    "DO",
    "CALL",
    "COPY",
    "MERGE",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One statement: what was predicted, what was seen, and where they differ."""

    predicted: StatementEffects
    observed: Observed
    differences: tuple[str, ...] = ()


def run_script(
    connection: Connection,
    connect: Callable[[], Connection],
    script: ScriptEffects,
    *,
    keep: bool = True,
    index_reads_only: bool = True,
) -> Iterator[Verdict]:
    """Runs the statements of a script one by one and judges each; ends at the first that is refused.

    `connection` is in autocommit; `connect` gives more of them for what cannot run in a transaction.
    Without `keep`, everything is rolled back.

    Raises:
        psycopg.Error: The connection is lost.
    """
    inside = connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
    # All that the transaction found, by the names it last had: what it dropped stays locked.
    theirs = relations(connection) if inside else {}
    for predicted in script.statements:
        statement = predicted.statement
        text = statement.text
        inside = connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
        if statement.source.kind is StatementKind.META:
            observed = Observed()  # psql's own affair
        elif all(isinstance(operation, _CONTROL) for operation in statement.operations):
            if not inside:
                theirs = relations(connection)
            ends = not keep and any(isinstance(operation, Commit) for operation in statement.operations)
            observed = _control(connection, "ROLLBACK" if ends else text)
        else:
            here = relations(connection) if inside else {}
            theirs.update({oid: found for oid, found in here.items() if oid in theirs})
            observed = observe(
                connection,
                partial(execute, connection, statement, script.text),
                keep=keep,
                index_reads_only=index_reads_only,
                ours=here.keys() - theirs.keys(),
                gone=theirs if inside else None,
            )
            if observed.needs_no_transaction and not inside and keep:
                observed = replace(
                    watch(connect, text, settings=_settings(connection)), needs_no_transaction=True
                )
        found = _judge(predicted, observed, inside=inside)
        yield Verdict(predicted=predicted, observed=observed, differences=found)
        if observed.error:
            return


def execute(connection: Connection, statement: ReadStatement, script: str) -> None:
    """Runs one statement of a script; COPY FROM stdin takes the data that stands behind it.

    Raises:
        psycopg.Error: The server refused it.
    """
    if not _FROM_STDIN.search(statement.text):
        connection.execute(statement.text.encode())
        return
    behind = script[statement.end : statement.source.outer_end].partition("\n")[2]
    with connection.cursor() as cursor, cursor.copy(statement.text.encode()) as copy:
        copy.write(behind.removesuffix("\n").removesuffix("\r").removesuffix("\\."))


def _settings(connection: Connection) -> dict[str, str]:
    """What the script has set for its session."""
    return dict(connection.execute(query("session_settings")).fetchall())


def _control(connection: Connection, text: str) -> Observed:
    try:
        connection.execute(text.encode())
    except psycopg.Error as error:
        return failed(error)
    return Observed()


def _judge(predicted: StatementEffects, observed: Observed, *, inside: bool) -> tuple[str, ...]:
    expected = predicted.effects
    operations = predicted.statement.operations
    if all(isinstance(operation, _CONTROL) for operation in operations):
        return (f"the server refused it: {observed.error}",) if observed.error and not expected.fails else ()
    if inside:
        # What the transaction holds is seen, and what indexes are locked by earlier statements too.
        expected = replace(expected, locks=predicted.held)
        worse = replace(observed, blocks=expected.blocks, needs_no_transaction=expected.needs_no_transaction)
        observed = worse
    return differences(
        expected,
        _without_truncated(observed, operations),
        certain_locks=expected.certain and (predicted.held_certain or not inside),
        compare_scans=not any(_is_planned(operation) for operation in operations),
    )


def _without_truncated(observed: Observed, operations: tuple[Operation, ...]) -> Observed:
    """TRUNCATE builds the indexes of empty tables: that is no work."""
    if any(isinstance(operation, Truncate) for operation in operations):
        return replace(observed, builds_index=False)
    return observed


def _is_planned(operation: Operation) -> bool:
    match operation:
        case CreateTable(as_query=True):
            return True
        case OtherStatement(tag=tag):
            return tag.startswith(_PLANNED_TAGS)
        case Unread():
            return True
        case _:
            return isinstance(operation, _PLANNED)
