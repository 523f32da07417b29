"""Signals from elsewhere: the user's own SQL, HTTP and Prometheus, and PgBouncer's console."""

import json
import math
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import conninfo, sql

from migsafe.config.pace import CustomSignal, Kind, environment_value
from migsafe.errors import RunError, UsageError
from migsafe.run.connect import APPLICATION_NAME, Conn, connect
from migsafe.run.http import Answer, ask, checked_url
from migsafe.run.pace.measure import Ask, Measured, Signal

PGBOUNCER_VARIABLE = "MIGSAFE_PGBOUNCER_URL"
_SAYS_NO = (417, 429, 503)  # what throttling services answer instead of 200


def custom_signals(given: tuple[CustomSignal, ...]) -> tuple[Signal, ...]:
    """The signals of the user's own, and PgBouncer's."""
    return (PgBouncerWaiting(environment_value(PGBOUNCER_VARIABLE)), *(_signal(each) for each in given))


def _signal(given: CustomSignal) -> Signal:
    match given.kind:
        case Kind.SQL:
            return SqlSignal(given)
        case Kind.HTTP:
            return HttpSignal(given)
        case Kind.PROMETHEUS:
            return PrometheusSignal(given)


class SqlSignal:
    """One number from a query, asked of the database that is migrated, or of another one."""

    def __init__(self, given: CustomSignal) -> None:
        self.name, self._given = given.name, given
        self._query = sql.SQL(given.query)  # SQL of whoever configures the run
        self._conn: Conn | None = None

    def read(self, ask: Ask) -> Measured:
        """See `Signal`."""
        rows = self._ask_elsewhere() if self._given.database_env else ask(self._query)
        value = rows[0][0] if rows and rows[0] else None
        if value is None:
            raise RunError("the query gave no value")
        try:
            return Measured(value=_finite(float(value)), text="")
        except (TypeError, ValueError):
            raise RunError(f"the query gave {str(value)[:40]!r}, which is no number") from None

    def close(self) -> None:
        """See `Signal`."""
        if self._conn is not None:
            self._conn.close()
        self._conn = None

    def _ask_elsewhere(self) -> list[tuple[Any, ...]]:
        url = _variable(self._given.database_env)
        try:
            if self._conn is None or self._conn.closed:
                self._conn = connect(
                    url,
                    timeout=self._given.timeout,
                    application_name=f"{APPLICATION_NAME} pace",
                    only_reads=True,
                )
            return asker(self._conn, seconds=self._given.timeout)(self._query)
        except psycopg.OperationalError:
            self.close()
            raise


class HttpSignal:
    """Yes or no by the status, or with a limit the number in the body."""

    def __init__(self, given: CustomSignal) -> None:
        self.name, self._given = given.name, given

    def read(self, ask: Ask) -> Measured:
        """See `Signal`."""
        del ask
        answer = _get(self._given, _url(self._given))
        if answer.status in _SAYS_NO:
            return Measured(value=math.inf, text=f"it answers {answer.status}")
        if not 200 <= answer.status < 300:
            raise RunError(f"it answers {answer.status}")
        if not self._given.limit:
            return Measured(value=0.0, text=f"it answers {answer.status}")
        return Measured(value=_number(answer.text.strip()), text="")

    def close(self) -> None:
        """See `Signal`."""


class PrometheusSignal:
    """The largest value of an instant query.

    https://prometheus.io/docs/prometheus/latest/querying/api/
    """

    def __init__(self, given: CustomSignal) -> None:
        self.name, self._given = given.name, given

    def read(self, ask: Ask) -> Measured:
        """See `Signal`."""
        del ask
        url = f"{_url(self._given).rstrip('/')}/api/v1/query?query={quote(self._given.query, safe='')}"
        answer = _get(self._given, url)
        if answer.status != 200:
            raise RunError(f"Prometheus answers {answer.status}: {answer.text[:200]}")
        return Measured(value=max(_values(answer.text)), text="")

    def close(self) -> None:
        """See `Signal`."""


class PgBouncerWaiting:
    """Clients that wait for a server connection, from SHOW POOLS of PgBouncer's console."""

    name = "pgbouncer-waiting"

    def __init__(self, url: str | None, seconds: float = 2.0) -> None:
        self._url, self._seconds = url, seconds
        self._conn: Conn | None = None

    def read(self, ask: Ask) -> Measured:
        """See `Signal`."""
        del ask
        if self._url is None:
            return Measured(value=None, text=f"{PGBOUNCER_VARIABLE} is not set", available=False)
        try:
            pools = self._pools(self._url)
        except psycopg.OperationalError as error:
            self.close()
            raise RunError(f"PgBouncer's console does not answer: {_first_line(error)}") from None
        waiting = sum(int(pool["cl_waiting"]) for pool in pools)
        longest = max(
            (float(pool["maxwait"]) + float(pool.get("maxwait_us", 0)) / 1e6 for pool in pools), default=0
        )
        return Measured(value=float(waiting), text=f"longest {longest:.1f} s, {len(pools)} pools")

    def close(self) -> None:
        """See `Signal`."""
        if self._conn is not None:
            with suppress(psycopg.Error):
                self._conn.close()
        self._conn = None

    def _pools(self, url: str) -> list[dict[str, Any]]:
        if self._conn is None or self._conn.closed:
            try:
                merged = conninfo.make_conninfo(
                    url, connect_timeout=2, tcp_user_timeout=int(1000 * self._seconds)
                )
            except psycopg.ProgrammingError:
                raise RunError(f"{PGBOUNCER_VARIABLE} is not a URL that can be read") from None
            self._conn = psycopg.connect(merged, autocommit=True, prepare_threshold=None)
        cursor = self._conn.execute("SHOW POOLS")
        names = [column.name for column in cursor.description or ()]
        pools = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return [pool for pool in pools if pool["database"] != "pgbouncer"]


def asker(conn: Conn, *, seconds: float) -> Ask:
    """Sends queries that only read, with a timeout, each as one message: right behind a pooler too."""
    prefix = sql.SQL(
        "SET LOCAL transaction_read_only = on; "
        "SET LOCAL statement_timeout = {ms}; SET LOCAL lock_timeout = {ms}; "
    ).format(ms=sql.Literal(max(1, round(1000 * seconds))))

    def ask(query: sql.Composable) -> list[tuple[Any, ...]]:
        with conn.cursor() as cursor:
            cursor.execute(prefix + query)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    return ask


def _get(given: CustomSignal, url: str) -> Answer:
    headers = {"Authorization": f"Bearer {_variable(given.token_env)}"} if given.token_env else {}
    return ask("GET", url, timeout_seconds=given.timeout, headers=headers)


def _url(given: CustomSignal) -> str:
    url = _variable(given.url_env) if given.url_env else given.url
    try:
        checked_url(url, where=f"signal '{given.name}'")
    except UsageError:
        if given.url_env:  # the message would quote what may be a secret
            raise RunError(f"{given.url_env} is no http:// or https:// URL without a password") from None
        raise
    return url


def _variable(name: str) -> str:
    value = environment_value(name)
    if value is None:
        raise RunError(f"the variable {name} is not set")
    return value


def _values(text: str) -> list[float]:
    try:
        data = json.loads(text)["data"]
        results = (
            [data["result"]] if data["resultType"] == "scalar" else [each["value"] for each in data["result"]]
        )
        values = [_finite(float(value)) for _, value in results]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError("Prometheus gave an answer that is no instant vector or scalar") from error
    if not values:
        raise RunError("the query gave no value")
    return values


def _number(text: str) -> float:
    try:
        return _finite(float(text))
    except ValueError:
        raise RunError(f"it answers {text[:40]!r}, which is no number") from None


def _finite(value: float) -> float:
    if math.isnan(value):
        raise RunError("the value is not a number")
    return value


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
