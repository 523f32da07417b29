"""Connections to the target database that also work through a pooler in transaction mode.

That is: no session settings, no startup options, nothing prepared by the driver. What a transaction
needs it sets for itself, with SET LOCAL.
"""

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

import psycopg
from psycopg import conninfo

from migsafe.errors import ConnectionFailed, UsageError

Conn: TypeAlias = psycopg.Connection[tuple[Any, ...]]

APPLICATION_NAME = "migsafe"
VARIABLES = ("MIGSAFE_DATABASE_URL", "DATABASE_URL")
OLDEST = 140000  # server_version_num

_PARAMETERS: Mapping[str, Any] = {
    "application_name": APPLICATION_NAME,
    "client_encoding": "utf8",
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # ms
}


def database_url(given: str | None, environment: Mapping[str, str] | None = None) -> str:
    """The database to work on: the one given, else MIGSAFE_DATABASE_URL, else DATABASE_URL.

    Raises:
        UsageError: None of them is set.
    """
    environment = os.environ if environment is None else environment
    url = given or next((environment[name] for name in VARIABLES if environment.get(name)), None)
    if not url:
        raise UsageError(
            "no database was given",
            advice=f"Pass --database postgresql://user@host/name, or set {' or '.join(VARIABLES)}.",
        )
    return url


def connect(
    dsn: str, *, timeout: float = 10.0, application_name: str = APPLICATION_NAME, only_reads: bool = False
) -> Conn:
    """An autocommit connection to a primary server, or to any server if it `only_reads`.

    Raises:
        ConnectionFailed: Nobody answers, or the server does not let us in, or is a standby or too old.
    """
    try:
        parameters = {**_PARAMETERS, "application_name": application_name}
        # A wait below two seconds is not possible in libpq.
        merged = conninfo.make_conninfo(dsn, connect_timeout=max(2, round(timeout)), **parameters)
        conn = psycopg.connect(merged, autocommit=True, prepare_threshold=None)
    except (psycopg.Error, UnicodeError) as error:
        raise _failed(dsn, error) from None  # the driver's own text and its context may hold the password
    conn.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    conn.read_only = only_reads
    try:
        _require_version(conn, dsn)
        if not only_reads:
            _require_primary(conn, dsn)
    except BaseException:
        conn.close()
        raise
    return conn


def describe(dsn: str) -> str:
    """Where the URL leads, without user secrets: `shop on db.example.com:5432`."""
    try:
        found = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        return "the database"
    name = found.get("dbname") or found.get("user") or "the default database"
    host = found.get("host") or found.get("hostaddr") or "the local socket"
    return f"{name} on {host}:{found.get('port') or 5432}"


def application_name(rollout: str) -> str:
    """How the sessions of one rollout call themselves, for operators and for a later runner."""
    return f"{APPLICATION_NAME}: {rollout}"


def is_pooled(conn: Conn) -> bool:
    """Whether a pooler sits between: it makes up the backend's number that the client was told."""
    row = conn.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or row[0] != conn.info.backend_pid


def _require_version(conn: Conn, dsn: str) -> None:
    if conn.info.server_version < OLDEST:
        raise ConnectionFailed(
            f"{describe(dsn)} is PostgreSQL {conn.info.server_version // 10000}; "
            f"migsafe needs {OLDEST // 10000} or later"
        )


def _require_primary(conn: Conn, dsn: str) -> None:
    row = conn.execute("SELECT pg_is_in_recovery()").fetchone()
    if row is not None and row[0]:
        raise ConnectionFailed(
            f"{describe(dsn)} takes no writes: it is a standby",
            advice="Give the URL of the primary (libpq knows target_session_attrs=read-write).",
        )


def _failed(dsn: str, error: Exception) -> ConnectionFailed:
    password = _password(dsn)
    reason = " ".join(str(error).split())
    if isinstance(error, psycopg.ProgrammingError):
        # Parsing failed, and libpq quotes the piece that it did not understand: it may be the password.
        return ConnectionFailed(
            "the database URL cannot be read",
            advice="Write it as postgresql://user:password@host:5432/name; "
            "in the password, write each of @ : / ? # % in percent form.",
        )
    if password:
        reason = reason.replace(password, "***")
    return ConnectionFailed(f"cannot connect to {describe(dsn)}: {reason}", advice=_advice(reason))


def _password(dsn: str) -> str | None:
    try:
        found = conninfo.conninfo_to_dict(dsn).get("password")
    except psycopg.Error:
        return None
    return str(found) if found else None


def _advice(reason: str) -> str:
    known = {
        "password authentication failed": "Check the user and the password in the URL (or PGPASSWORD).",
        "no password supplied": "Put the password in the URL, in PGPASSWORD or in ~/.pgpass.",
        "does not exist": "Check the name of the database and of the user in the URL.",
        "refused": "Check host and port, and that the server is running and reachable from here.",
        "timeout": "Check host and port, and that no firewall is in the way.",
        "could not translate host name": "Check the host name in the URL.",
        "failed to resolve host": "Check the host name in the URL.",
        "unsupported startup parameter": "A pooler refuses a parameter of the URL: remove its options=...",
    }
    return next((advice for text, advice in known.items() if text in reason), "")
