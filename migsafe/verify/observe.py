"""Runs one statement and sees what the server does with it.

A statement that may run in a transaction is observed from the inside: pg_locks, relfilenode,
pg_stat_xact_user_tables and the debug1 notices. One that may not is watched from outside (`watch`).
What an observation is not: TRUNCATE counts scans, and builds indexes, of tables that are empty by then;
what a query reads is up to the planner.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, LiteralString, cast

import psycopg

from migsafe.effects.model import Blocks, Lock, LockMode
from migsafe.effects.prediction import blocks_of, worse_of
from migsafe.sql.names import Name
from migsafe.verify.model import Observed

Connection = psycopg.Connection[Any]

REFUSED_IN_TRANSACTION = "25001"  # active_sql_transaction
STRONG = LockMode.SHARE_UPDATE_EXCLUSIVE
TABLES = frozenset("rpvmf")
_BUILDING = re.compile(r'building index "(?:[^"]|"")+" on table "((?:[^"]|"")+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A relation as pg_class has it; `storage` changes when its rows are written anew."""

    name: Name
    kind: str
    storage: int | None


@dataclass(slots=True, kw_only=True)
class Notices:
    """The tables whose indexes the server said it builds."""

    tables: set[str] = field(default_factory=set)

    def hear(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Takes one notice."""
        self.tables.update(_BUILDING.findall(diagnostic.message_primary or ""))


@cache
def query(name: str) -> LiteralString:
    """One of the queries in observe.sql."""
    text = (files("migsafe.verify") / "observe.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)[1:]
    return cast("LiteralString", dict(zip(parts[::2], parts[1::2], strict=True))[name])


def observe(
    connection: Connection,
    execute: Callable[[], None],
    *,
    keep: bool = False,
    index_reads_only: bool = True,
    ours: Iterable[int] = (),
    gone: Mapping[int, Relation] | None = None,
) -> Observed:
    """Runs a statement, by calling `execute`, in the open transaction or one of its own, and watches.

    `keep` says whether what it did stays. With `index_reads_only` the planner reads by index where it
    can, so that a scan is one that the statement cannot do without. `ours` are the oids of relations
    that the open transaction made: nobody else feels what happens to them. `gone` are those that it dropped:
    others wait for their locks all the same.
    An error of the server is part of what is seen.
    """
    notices = Notices()
    nested = connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
    # No savepoint in an open transaction: a new value of an enum is not the same thing behind one.
    block = nullcontext() if nested else connection.transaction(force_rollback=not keep)
    with _listening(connection, notices):
        try:
            with block, _settings(connection, index_reads_only=index_reads_only):
                return _observe(connection, execute, notices, frozenset(ours), gone or {})
        except psycopg.Error as error:
            return failed(error)


@contextmanager
def _settings(connection: Connection, *, index_reads_only: bool) -> Iterator[None]:
    """What observing needs, for one statement of a transaction; not put back when that fails."""
    seqscan = "off" if index_reads_only else None
    before = connection.execute(query("set_up"), {"seqscan": seqscan}).fetchone() or ("notice", "on")
    yield
    connection.execute(query("put_back"), {"messages": before[0], "seqscan": before[1]})


def failed(error: psycopg.Error) -> Observed:
    """What is seen of a statement that the server refused.

    Raises:
        psycopg.Error: The connection is lost: that says nothing about the statement.
    """
    if error.sqlstate is None:
        raise error
    refused = (
        error.sqlstate == REFUSED_IN_TRANSACTION and "transaction block" in str(error)
    ) or "cannot be executed from a function" in str(error)
    return Observed(
        error=str(error.diag.message_primary or error), sqlstate=error.sqlstate, needs_no_transaction=refused
    )


def relations(connection: Connection) -> dict[int, Relation]:
    """All relations outside the system's schemas, by oid."""
    return {
        oid: Relation(name=Name(name, schema), kind=kind, storage=storage)
        for oid, schema, name, kind, storage in connection.execute(query("relations")).fetchall()
    }


def _observe(
    connection: Connection,
    execute: Callable[[], None],
    notices: Notices,
    ours: frozenset[int],
    gone: Mapping[int, Relation],
) -> Observed:
    before = {oid: found for oid, found in ({**gone, **relations(connection)}).items() if oid not in ours}
    scanned_before = _scans(connection)
    notices.tables.clear()
    start = time.perf_counter()
    execute()
    seconds = time.perf_counter() - start
    scanned = {oid for oid, count in _scans(connection).items() if count > scanned_before.get(oid, 0)}
    pid = {"pid": connection.info.backend_pid}
    held = {oid: LockMode(rank) for oid, rank in connection.execute(query("locks"), pid).fetchall()}
    return summed_up(before, relations(connection), held, scanned, notices, seconds)


def summed_up(
    before: Mapping[int, Relation],
    after: Mapping[int, Relation],
    held: Mapping[int, LockMode],
    scanned: Iterable[int],
    notices: Notices,
    seconds: float,
) -> Observed:
    """What two looks at the relations, and the locks in between, say about a statement."""
    tables = {oid: found.name for oid, found in before.items() if found.kind in TABLES}
    locks = sorted(Lock(tables[oid], mode) for oid, mode in held.items() if oid in tables and mode >= STRONG)
    on_indexes = [blocks_of(mode) for oid, mode in held.items() if oid in before and oid not in tables]
    built = {name.replace('""', '"') for name in notices.tables}
    return Observed(
        locks=tuple(locks),
        rewrites=tuple(
            sorted(
                name
                for oid, name in tables.items()
                if oid in after and after[oid].storage != before[oid].storage
            )
        ),
        scans=tuple(sorted(tables[oid] for oid in scanned if oid in tables)),
        builds_index=any(name.name in built for name in tables.values()),
        blocks=worse_of(Blocks.NONE, *(blocks_of(lock.mode) for lock in locks), *on_indexes),
        seconds=seconds,
    )


@contextmanager
def _listening(connection: Connection, notices: Notices) -> Iterator[None]:
    connection.add_notice_handler(notices.hear)
    try:
        yield
    finally:
        connection.remove_notice_handler(notices.hear)


def _scans(connection: Connection) -> dict[int, int]:
    return dict(connection.execute(query("scans")).fetchall())
