"""The statements of fixtures/effects/, and a server's verdict on each."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from migsafe.catalog.history import load_schema
from migsafe.effects.script import script_effects
from migsafe.postgres.server import Server
from migsafe.sql.operations import Begin, Commit
from migsafe.sql.script import read_script
from migsafe.verify.run import Verdict, run_script

FOLDER = Path(__file__).parent.parent.parent / "fixtures" / "effects"
SCHEMA = (FOLDER / "schema.sql").read_text()
SINCE = re.compile(r"-- from (\d+)")
Connect = Callable[[], psycopg.Connection[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One statement, or a BEGIN ... COMMIT block, and the first version that can read it."""

    family: str
    text: str
    since: int = 14

    def __str__(self) -> str:
        return f"{self.family}: {self.text}"


def cases(family: str = "*") -> Iterator[Case]:
    for path in sorted(FOLDER.glob(f"{family}.sql")):
        if path.name == "schema.sql":
            continue
        text = path.read_text()
        script = read_script(text)
        start, behind = None, 0
        for statement in script.statements:
            first = statement.operations[0]
            start = statement.start if start is None else start
            if isinstance(first, Begin) or (start != statement.start and not isinstance(first, Commit)):
                continue
            found = SINCE.search(text, behind, start)
            yield Case(
                family=path.stem, text=text[start : statement.end], since=int(found[1]) if found else 14
            )
            start, behind = None, statement.end


class Bench:
    """A server with the schema of the fixtures in a database, and copies of it."""

    def __init__(self, server: Server, schema: str = SCHEMA) -> None:
        self.server = server
        self.name = f"bench_{uuid.uuid4().hex[:12]}"
        self._admin = psycopg.connect(server.dsn(), autocommit=True)
        self._admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        with psycopg.connect(server.dsn(self.name), autocommit=True) as connection:
            for statement in read_script(schema).statements:
                connection.execute(statement.text.encode())
            connection.execute("VACUUM ANALYZE")
        self.version = self._admin.info.server_version
        self.catalog = load_schema(schema)
        self._open: psycopg.Connection[Any] | None = None

    def judge(self, case: Case) -> list[Verdict]:
        """Every statement of the case. What it did is gone afterwards."""
        predicted = script_effects(read_script(case.text), self.catalog, server_version=self.version)
        verdicts = list(run_script(self._plain(), self._plain_again, predicted, keep=False))
        self._leave_transaction()
        if any(v.observed.needs_no_transaction for v in verdicts) and len(verdicts) == 1:
            with self.copy() as connect, connect() as connection:
                verdicts = list(run_script(connection, connect, predicted))
        return verdicts

    @contextmanager
    def copy(self) -> Iterator[Connect]:
        """Connections to a database of its own with the same schema and rows."""
        if self._open is not None:
            self._open.close()  # a template must have no connections
            self._open = None
        name = f"{self.name}_copy"
        names = {"new": sql.Identifier(name), "old": sql.Identifier(self.name)}
        self._admin.execute(sql.SQL("CREATE DATABASE {new} TEMPLATE {old}").format(**names))

        def connect() -> psycopg.Connection[Any]:
            return self._prepared(psycopg.connect(self.server.dsn(name), autocommit=True))

        try:
            yield connect
        finally:
            self._admin.execute(sql.SQL("DROP DATABASE {new} WITH (FORCE)").format(**names))

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))
        self._admin.close()

    def _plain(self) -> psycopg.Connection[Any]:
        if self._open is None or self._open.closed:
            self._open = self._prepared(psycopg.connect(self.server.dsn(self.name), autocommit=True))
        return self._open

    def _plain_again(self) -> psycopg.Connection[Any]:
        raise AssertionError("what cannot run in a transaction runs in a copy")

    def _leave_transaction(self) -> None:
        if self._open is not None:
            self._open.rollback()

    def _prepared(self, connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
        connection.prepare_threshold = None
        connection.execute("SET TimeZone = 'America/New_York'")
        return connection
