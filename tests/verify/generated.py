"""Runs generated schemas and statements on a server, and counts what ran, was wrong, or was refused."""

import time
from collections import Counter
from random import Random
from typing import Any

import psycopg

from migsafe.catalog.history import History, advance, load_schema
from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Catalog
from migsafe.catalog.passes import in_passes
from migsafe.effects.script import script_effects
from migsafe.postgres.server import Server
from migsafe.sql.operations import Begin
from migsafe.sql.script import read_script
from migsafe.verify.run import Verdict, run_script
from tests.verify.generate import SchemaMaker
from tests.verify.statements import Writer

SINGLE_STATEMENTS = 25
TRANSACTIONS = 4
ALONE = 2
SCHEMAS_ALONE = 0.15
Connection = psycopg.Connection[Any]


class Run:
    """One server and what was seen on it. `wrong` says where the predictions are wrong, with the schema."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.major = 0
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.unforeseen: Counter[str] = Counter()
        self.uncertain: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def line(self) -> str:
        """The row of the proof's table."""
        seen = self.seen
        where = f"{seen['in a transaction']} in transactions of several, {seen['alone']} outside any"
        refused = f"{seen['foreseen']} as foreseen, {seen['unforeseen']} unforeseen"
        return (
            f"PostgreSQL {self.major} generated: {seen['ran']} ran ({where}), {len(self.wrong)} wrong,"
            f" {seen['uncertain']} uncertain; refused: {refused}"
        )

    def schema(self, random: Random) -> None:
        """Makes one schema, runs statements against it, and compares."""
        with self._connect() as connection:
            version = connection.info.server_version
            self.major = version // 10000
            made = self._make(connection, SchemaMaker(random, version))
            text = ";\n".join(made) + ";\n"
            catalog = load_schema(text, server_version=version)
            if random.random() < 0.3:
                catalog = read_catalog(connection)
            for _ in range(SINGLE_STATEMENTS):
                self._judge(connection, Writer(random, catalog, version).statement(), catalog, text)
            for _ in range(TRANSACTIONS):
                self._judge(connection, self._transaction(random, catalog, version), catalog, text)
        if random.random() < SCHEMAS_ALONE:
            self._alone(random, catalog, text)

    def _connect(self) -> Connection:
        connection = psycopg.connect(self._server.dsn(), autocommit=True, prepare_threshold=None)
        connection.execute("SET TimeZone = 'America/New_York'")
        return connection

    def _make(self, connection: Connection, maker: SchemaMaker) -> list[str]:
        connection.execute("DROP SCHEMA IF EXISTS other CASCADE")
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute("CREATE SCHEMA public")
        made = []
        for sql in maker.statements():
            try:
                connection.execute(sql.encode())
            except psycopg.Error:
                continue
            made.append(sql)
        return made

    def _transaction(self, random: Random, catalog: Catalog, version: int) -> str:
        """Statements that build on each other."""
        text, history = "BEGIN;\n", advance(History(catalog=catalog), Begin())
        for _ in range(random.randint(2, 4)):
            statement = Writer(random, history.catalog, version).statement()
            for operation in in_passes(read_script(statement).statements[0].operations):
                history = advance(history, operation)
            text += statement + ";\n"
        return text + "COMMIT;\n"

    def _judge(self, connection: Connection, text: str, catalog: Catalog, schema: str) -> None:
        version = connection.info.server_version
        predicted = script_effects(read_script(text), catalog, server_version=version)
        verdicts = list(run_script(connection, _none_more, predicted, keep=False))
        connection.rollback()
        inside = len(predicted.statements) > 1
        for verdict in verdicts:
            self._count(verdict, text, schema, "in a transaction" if inside else "single")
            if verdict.differences:
                return  # what a transaction holds is wrong from here on

    def _alone(self, random: Random, catalog: Catalog, schema: str) -> None:
        """Statements that cannot run in a transaction: what they do stays, and is seen from outside."""
        with self._connect() as connection:
            version = connection.info.server_version
            self._wait_for_counts(connection)
            for _ in range(ALONE):
                text = Writer(random, catalog, version).alone()
                if text is None:
                    continue
                predicted = script_effects(read_script(text), catalog, server_version=version)
                (verdict,) = run_script(connection, self._connect, predicted)
                self._count(verdict, text, schema, "alone")
                catalog = read_catalog(connection)
                schema += f"{text};\n"

    def _wait_for_counts(self, connection: Connection) -> None:
        """Until the scans of the session before are counted: the last thing that it does."""
        others = (
            "SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            " AND datname = current_database()"
        )
        while connection.execute(others).fetchone() is not None:
            time.sleep(0.01)
        time.sleep(0.6 if connection.info.server_version < 150000 else 0.02)

    def _count(self, verdict: Verdict, text: str, schema: str, place: str) -> None:
        effects, observed = verdict.predicted.effects, verdict.observed
        kinds = [operation.kind for operation in verdict.predicted.statement.operations]
        if kinds in (["begin"], ["commit"]):
            return
        if observed.error:
            # Values that do not fit and the like are no part of the claim: they are counted.
            foreseen = effects.fails or not effects.certain
            self.seen["foreseen" if foreseen else "unforeseen"] += 1
            if not foreseen:
                self.unforeseen[f"{observed.error} | {verdict.predicted.statement.text}"] += 1
            return
        self.seen["ran"] += 1
        self.seen[place] += 1
        self.seen["uncertain"] += not effects.certain
        self.uncertain.update(effects.depends_on)
        self.kinds.update(kinds)
        if verdict.differences:
            what = verdict.predicted.statement.text
            whole = f"in:\n{text}" if place == "in a transaction" else ""
            self.wrong.append(f"{what}: {'; '.join(verdict.differences)}\n{whole}{schema}")


def _none_more() -> Connection:
    raise AssertionError("nothing that is generated to run in a transaction runs outside one")
