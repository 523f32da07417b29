"""Where Alembic's connection leads, as a DSN for connections of our own.

The runner works in transactions of its own, so it has to connect by itself, to the very same database.
"""

import os
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import conninfo
from sqlalchemy.engine import URL, Connection

from migsafe.errors import UsageError
from migsafe.run.connect import connect

VARIABLE = "MIGSAFE_DATABASE_URL"
# What a driver that is not built on libpq calls otherwise.
_OTHER_WORDS = {"ssl": "sslmode", "timeout": "connect_timeout"}
# Ours are our own, and a pooler refuses startup options.
_LEFT_OUT = frozenset({"application_name", "options", "client_encoding", "fallback_application_name"})
_WHERE = "SELECT current_database()::text, pg_postmaster_start_time()::text"


def database_of(connection: Connection) -> str:
    """The DSN of the database that this connection leads to; MIGSAFE_DATABASE_URL wins when it is set.

    Raises:
        UsageError: It is not PostgreSQL, or the DSN leads to another database than the connection.
        ConnectionFailed: Nobody answers there.
    """
    if connection.dialect.name != "postgresql":
        raise UsageError(
            f"migsafe's operations are for PostgreSQL, and this database is {connection.dialect.name}"
        )
    dsn = os.environ.get(VARIABLE) or _from_driver(connection) or _from_url(connection.engine.url)
    _require_same(connection, dsn)
    return dsn


def _from_driver(connection: Connection) -> str | None:
    """What libpq itself says about the connection: right also with `creator=` and `connect_args=`."""
    driver: Any = connection.connection.driver_connection
    info = getattr(driver, "info", None)
    if isinstance(driver, psycopg.Connection | psycopg.AsyncConnection):
        return _made(driver.info.get_parameters(), driver.info.password)
    parameters = getattr(info, "dsn_parameters", None)  # psycopg2
    if isinstance(parameters, Mapping):
        return _made(parameters, getattr(info, "password", None))
    return None


def _from_url(url: URL) -> str:
    """What SQLAlchemy's URL says, without what only its own driver knows."""
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    query = {_OTHER_WORDS.get(key, key): value for key, value in url.query.items()}
    found: dict[str, Any] = {
        key: value if isinstance(value, str) else ",".join(value)
        for key, value in query.items()
        if key in known
    }
    if found.get("sslmode") in {"true", "True"}:
        found["sslmode"] = "require"
    given = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    found.update({key: value for key, value in given.items() if value is not None})
    return _made(found, None if url.password is None else str(url.password))


def _made(parameters: Mapping[str, Any], password: str | None) -> str:
    kept = {key: value for key, value in parameters.items() if key not in _LEFT_OUT}
    if password:
        kept["password"] = password
    return conninfo.make_conninfo("", **kept)


def _require_same(connection: Connection, dsn: str) -> None:
    row = connection.exec_driver_sql(_WHERE).one()
    with connect(dsn) as own:
        found = own.execute(_WHERE).fetchone()
    if found is None or tuple(row) != tuple(found):
        raise UsageError(
            f"the connection of env.py and the one of migsafe lead to two databases: {row[0]} and "
            f"{found[0] if found else 'none'}, or two servers",
            advice=f"Set {VARIABLE} to the database that env.py connects to.",
        )
