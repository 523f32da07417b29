"""CREATE INDEX CONCURRENTLY in an autocommit block: no lock_timeout, and nothing half-built in its way.

An attempt that was broken off leaves an invalid index behind, which PostgreSQL never finishes: it is dropped
before the next one. An index that was finished, but whose revision was not recorded (the upgrade was killed
in between), is accepted when it is the same, and made again when it cannot be told (PostgreSQL then says that
the name is taken).
https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

import logging
import re
import time
from typing import Any

from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.engine import Connection

from migsafe.sql.operations import CreateIndex
from migsafe.sql.script import read_script

log = logging.getLogger("alembic.migsafe")
_FIND = """
    SELECT n.nspname, c.relname, i.indisvalid, pg_get_indexdef(c.oid),
           EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.indrelid = to_regclass({table}) AND c.relname = {index}
"""
_POLL_SECONDS = 0.5
_NOISE = re.compile(r'\b(?:concurrently|if not exists|using btree|only)\b|[;"]', re.IGNORECASE)
_SCHEMA = re.compile(r"\bon\s+\w+\.(?=\w)", re.IGNORECASE)
_LIMITS = ("lock_timeout", "statement_timeout")


class Concurrently:
    """Watches the statements of one run of Alembic."""

    def __init__(self, context: MigrationContext) -> None:
        self._context = context
        self._former: dict[str, str] = {}

    def watch(self) -> None:
        """From now on, until the connection is closed."""
        if not self._context.as_sql and self._context.connection is not None:
            event.listen(self._context.connection, "before_cursor_execute", self._before, retval=True)
            event.listen(self._context.connection, "after_cursor_execute", self._after)

    def _before(
        self,
        conn: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        _execution: object,
        _many: bool,  # noqa: FBT001 -- SQLAlchemy calls it
    ) -> tuple[str, Any]:
        in_block = conn.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        if not in_block or "concurrently" not in statement.lower():
            return statement, parameters
        # It waits for older transactions, and nobody waits for it.
        for name in _LIMITS:
            cursor.execute(f"SHOW {name}")
            self._former[name] = cursor.fetchone()[0]
            cursor.execute(f"SET {name} = 0")
        wanted = _create_index(statement)
        if wanted is None or wanted.name is None:
            return statement, parameters
        return _cleared(cursor, wanted, statement), parameters

    def _after(self, conn: Connection, *_of_the_statement: object) -> None:
        """Give the session back its limits."""
        former, self._former = self._former, {}
        if former:
            cursor = conn.connection.cursor()
            for name, value in former.items():
                cursor.execute(f"SET {name} = '{value}'")
            cursor.close()


def _cleared(cursor: Any, wanted: CreateIndex, statement: str) -> str:
    """The statement to run instead, after what an earlier attempt left was cleared away."""
    query = sql.SQL(_FIND).format(table=sql.Literal(wanted.table.sql), index=sql.Literal(wanted.name))
    while True:
        cursor.execute(query.as_string(None))
        row = cursor.fetchone()
        if row is None:
            return statement
        schema, name, is_valid, definition, is_being_built = row
        if not is_being_built:
            break
        log.info("index %s is still being built by an earlier attempt", name)
        time.sleep(_POLL_SECONDS)
    if not is_valid:
        log.info("index %s was left half-built: it is dropped and built again", name)
        cursor.execute(
            sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(schema, name)).as_string(None)
        )
        return statement
    if _plain(definition) == _plain(statement):
        log.info("index %s is there already, as it should be", name)
        return "SELECT 1"
    return statement


def _create_index(statement: str) -> CreateIndex | None:
    operations = [each for read in read_script(statement).statements for each in read.operations]
    return operations[0] if len(operations) == 1 and isinstance(operations[0], CreateIndex) else None


def _plain(statement: str) -> str:
    """The text without what says nothing about the index."""
    bare = _SCHEMA.sub("on ", _NOISE.sub(" ", statement))
    return re.sub(r"\s*([(),])\s*", r"\1", " ".join(bare.lower().split()))
