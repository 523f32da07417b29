"""Every claim about a statement is compared with what a real server does when it runs it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from migsafe.catalog.history import load_schema
from migsafe.catalog.model import Catalog
from migsafe.effects.model import Blocks, Effects, LockMode
from migsafe.effects.predict import effects_of, merge
from migsafe.effects.prediction import blocks_of, worse_of
from migsafe.postgres.server import Server
from migsafe.sql.script import ReadStatement, read_script

HERE = Path(__file__).parent
SCHEMA = (HERE / "schema.sql").read_text()
STATEMENTS = read_script((HERE / "statements.sql").read_text()).statements
QUERIES = dict(part.split("\n", 1) for part in (HERE / "observe.sql").read_text().split("-- name: ")[1:])
NOTICE = re.compile(r'(rewriting table|verifying table|building index|validating foreign key)[^"]*"([^"]+)"')

# What the prediction may not know from the schema alone: then it has to expect at least what happens.
UNCERTAIN = (
    "positive_int",
    "order_state",
    "unheard_of",
    "timestamptz",
    "access method",
    "cascade",
    "tablespace",
)

# What a query or the other side of a foreign key reads is up to the planner, and no part of a prediction.
OF_A_QUERY = ("create table z as", "materialized view")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What one statement did."""

    locks: dict[str, LockMode]
    rewrites: frozenset[str]
    scans: frozenset[str]
    builds_index: bool
    blocks: Blocks


@pytest.fixture(scope="module")
def schema(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE observed")
    with psycopg.connect(server.dsn("observed"), autocommit=True) as conn:
        conn.execute("SET TimeZone = 'America/New_York'")
        for statement in read_script(SCHEMA).statements:
            conn.execute(statement.text.encode())
        conn.execute("VACUUM ANALYZE")
        yield conn
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("DROP DATABASE observed WITH (FORCE)")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_schema(SCHEMA)


def observe(conn: psycopg.Connection, sql: str) -> Observed:
    notices: list[tuple[str, str]] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        notices.extend(NOTICE.findall(diagnostic.message_primary or ""))

    conn.add_notice_handler(note)
    try:
        with conn.transaction(force_rollback=True):
            before = relations(conn)
            # Whatever an index can find is no full read, however small the table.
            conn.execute("SET LOCAL enable_seqscan = off")
            conn.execute("SET LOCAL client_min_messages = debug1")
            scans_before = scans(conn)
            notices.clear()
            conn.execute(sql.encode())
            conn.execute("SET LOCAL client_min_messages = warning")
            after = relations(conn)
            scanned = {oid for oid, count in scans(conn).items() if count > scans_before.get(oid, 0)}
            held = conn.execute(QUERIES["locks"]).fetchall()
            owners: dict[str, int] = dict(conn.execute(QUERIES["indexes"]).fetchall())
    finally:
        conn.remove_notice_handler(note)
    names = {oid: name for oid, (name, _, _) in before.items()}
    tables = {oid for oid, (_, kind, _) in before.items() if kind in "rpvmf"}
    locks = {
        names[oid]: LockMode(rank)
        for oid, rank in held
        if oid in tables and LockMode(rank) >= LockMode.SHARE_UPDATE_EXCLUSIVE
    }
    indexes = [blocks_of(LockMode(rank)) for oid, rank in held if oid in before and oid not in tables]
    return Observed(
        locks=locks,
        rewrites=frozenset(
            name
            for oid, (name, _, node) in before.items()
            if oid in tables and oid in after and after[oid][2] != node
        ),
        scans=frozenset(names[oid] for oid in scanned if oid in tables),
        builds_index=any(
            kind == "building index" and owners.get(index, 0) in tables for kind, index in notices
        ),
        blocks=worse_of(*(blocks_of(mode) for mode in locks.values()), *indexes),
    )


def relations(conn: psycopg.Connection) -> dict[int, tuple[str, str, int]]:
    return {oid: (name, kind, node) for oid, name, kind, node in conn.execute(QUERIES["relations"])}


def scans(conn: psycopg.Connection) -> dict[int, int]:
    return dict(conn.execute(QUERIES["scans"]).fetchall())


def predict(statement: ReadStatement, catalog: Catalog) -> Effects:
    return merge(effects_of(operation, catalog) for operation in statement.operations)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda s: s.text)
def test_prediction_is_what_the_server_does(
    statement: ReadStatement, schema: psycopg.Connection, catalog: Catalog
) -> None:
    assert statement.unread is None
    predicted = predict(statement, catalog)
    observed = observe(schema, statement.text)
    locks = {
        lock.relation.name: lock.mode
        for lock in predicted.locks
        if lock.mode >= LockMode.SHARE_UPDATE_EXCLUSIVE
    }
    if statement.text.startswith("truncate"):
        # The server counts a scan, and builds indexes, of tables that are empty by then.
        observed = replace(observed, scans=frozenset(), builds_index=False)
    if any(word in statement.text for word in OF_A_QUERY):
        observed = replace(observed, scans=frozenset())
    rewrites = frozenset(name.name for name in predicted.rewrites)
    scanned = frozenset(name.name for name in predicted.scans)
    if predicted.certain:
        assert locks == observed.locks
        assert rewrites == observed.rewrites
        assert scanned == observed.scans
        assert predicted.builds_index == observed.builds_index
        assert predicted.blocks == observed.blocks
    else:
        assert any(word in statement.text for word in UNCERTAIN)
        assert locks.items() >= observed.locks.items()
        assert rewrites >= observed.rewrites
        assert scanned >= observed.scans
        assert predicted.builds_index >= observed.builds_index
        assert worse_of(predicted.blocks, observed.blocks) == predicted.blocks
