"""Connections to the target database that also work through a pooler in transaction mode.

That is: no session settings, no startup options, nothing prepared by the driver. What a transaction
needs it sets for itself, with SET LOCAL.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg import conninfo, sql

from migsafe.errors import ConnectionFailed, UsageError

Conn: TypeAlias = psycopg.Connection[tuple[Any, ...]]

APPLICATION_NAME = "migsafe"
VARIABLES = ("MIGSAFE_DATABASE_URL", "DATABASE_URL")
OLDEST = 140000  # server_version_num
_SILENT_MS = 5000

# How soon a connection counts as dead that neither answers nor closes; what the URL says counts more.
_PATIENCE: Mapping[str, Any] = {
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
        parameters = {**_PATIENCE, **conninfo.conninfo_to_dict(dsn)}
        parameters |= {"application_name": application_name, "client_encoding": "utf8"}
        # A wait below two seconds is not possible in libpq.
        merged = conninfo.make_conninfo(**parameters | {"connect_timeout": max(2, round(timeout))})
        conn = psycopg.connect(merged, autocommit=True, prepare_threshold=None)
    except (psycopg.Error, UnicodeError) as error:
        raise _failed(dsn, error) from None  # the driver's own text and its context may hold the password
    conn.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    if only_reads:
        conn.read_only = True  # else as the server says: one that was made read-only is not written to
    try:
        _read_dates_as_iso(conn)
        _require_version(conn, dsn)
        if not only_reads:
            _require_primary(conn, dsn)
    except BaseException as error:
        conn.close()
        if isinstance(error, psycopg.OperationalError):  # it let us in, and was gone
            raise _failed(dsn, error) from None
        raise
    return conn


@contextmanager
def brief(conn: Conn, *, lock_seconds: float = 10.0) -> Iterator[None]:
    """A transaction for the ledger: it gives up on a lock in time, and the server ends it when we go silent.

    Else a network that swallows everything would leave the row of a lease locked for as long as the server
    believes in the connection, which is hours.
    https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT
    """
    with conn.transaction():
        conn.execute(
            sql.SQL("SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL lock_timeout = {}").format(
                sql.Literal(_SILENT_MS), sql.Literal(round(lock_seconds * 1000))
            )
        )
        yield


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
    row = conn.execute(
        "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool"
    ).fetchone()
    in_recovery, read_only = row or (False, False)
    if in_recovery:
        raise ConnectionFailed(
            f"{describe(dsn)} takes no writes: it is a standby",
            advice="Give the URL of the primary (libpq knows target_session_attrs=read-write).",
        )
    if read_only:
        raise ConnectionFailed(
            f"{describe(dsn)} takes no writes: default_transaction_read_only is on",
            advice="Somebody turned that on for the server, the database or the role; hosted servers do it "
            "when their disk is nearly full. Turn it off when writes are welcome again, then run the same "
            "command again.",
        )


def _read_dates_as_iso(conn: Conn) -> None:
    """The driver reads no other style. PgBouncer keeps this setting, as it keeps few, for each client."""
    if not (conn.info.parameter_status("DateStyle") or "ISO").startswith("ISO"):
        conn.execute("SET datestyle = 'ISO'")


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


_NO_ROOM = (
    "Four connections are enough for a run (work, lease, guard, signals) and one for each further worker: "
    "raise the limit of the role, the database or the server, or close others. Then run the same command "
    "again."
)
_NOT_YET = "Wait until the server accepts connections, then run the same command again."


def _advice(reason: str) -> str:
    known = {
        "password authentication failed": "Check the user and the password in the URL (or PGPASSWORD).",
        "no password supplied": "Put the password in the URL, in PGPASSWORD or in ~/.pgpass.",
        "does not exist": "Check the name of the database and of the user in the URL.",
        "refused": "Check host and port, and that the server is running and reachable from here.",
        "timeout": "Check host and port, and that no firewall is in the way.",
        "could not translate host name": "Check the host name in the URL.",
        "failed to resolve host": "Check the host name in the URL.",
        "too many": _NO_ROOM,
        "remaining connection slots": _NO_ROOM,
        "no more connections allowed": _NO_ROOM,
        "starting up": _NOT_YET,
        "shutting down": _NOT_YET,
        "recovery": _NOT_YET,
        "not accepting connections": _NOT_YET,
        "not yet accepting connections": _NOT_YET,
        "not permitted to log in": "Somebody took the right to log in from this role: "
        "ALTER ROLE ... LOGIN, or another role.",
        "unsupported startup parameter": "A pooler refuses a parameter of the URL: remove its options=...",
    }
    return next((advice for text, advice in known.items() if text in reason), "")
