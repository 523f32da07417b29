"""Gates that ask the database: a query of the plan, sync's own events, sessions of the old version."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from migsafe.errors import MigsafeError
from migsafe.plan.model import Options
from migsafe.rollout.gates.base import Reading, Situation, Verdict
from migsafe.rollout.machine import Question
from migsafe.rollout.options import typed_options
from migsafe.rollout.providers.base import require_timeout
from migsafe.run.connect import Conn, connect

_WATCHED = frozenset({Question.DARK, Question.WATCH, Question.SOAK})


class Probe:
    """Runs one query in a transaction that cannot write and cannot take long.

    The query goes through the extended protocol, which takes a single statement: nothing can end the
    read-only transaction and go on behind it.
    """

    def __init__(self, dsn: str, *, timeout_seconds: float = 5.0) -> None:
        self._dsn, self._timeout_seconds = dsn, timeout_seconds
        self._conn: Conn | None = None

    def ask(self, query: str, parameters: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """The rows, at most two.

        Raises:
            psycopg.Error: The query failed or took too long.
            ConnectionFailed: The database cannot be reached.
        """
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._dsn, application_name="migsafe gate")
        with self._conn.transaction():
            self._conn.execute("SET TRANSACTION READ ONLY")
            limit = f"{max(1, round(self._timeout_seconds * 1000))}ms"
            self._conn.execute(
                "SELECT set_config('statement_timeout', %(limit)s, true), "
                "set_config('lock_timeout', %(limit)s, true)",
                {"limit": limit},
            )
            cursor = self._conn.execute(query.encode(), parameters, binary=True)
            return cursor.fetchmany(2) if cursor.description else []

    def close(self) -> None:
        """Give the connection back."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlOptions:
    """A query of one row and one column: a number between `min` and `max`, or a boolean that must be true."""

    query: str
    min: float | None = None
    max: float | None = None
    timeout_seconds: float = 5.0

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise ValueError("option 'query' is empty")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"option 'min' ({self.min:g}) is above 'max' ({self.max:g})")
        require_timeout(self.timeout_seconds)


class SqlGate:
    """See `Gate`."""

    questions = _WATCHED

    def __init__(self, name: str, options: Options, dsn: str) -> None:
        self.name = name
        self._options = typed_options(SqlOptions, options, where=f"gate '{name}'")
        self._probe = Probe(dsn, timeout_seconds=self._options.timeout_seconds)

    def read(self, situation: Situation) -> Reading:
        """Run the query once."""
        del situation
        try:
            rows = self._probe.ask(self._options.query)
        except (psycopg.Error, MigsafeError) as error:
            return _error(error)
        if len(rows) != 1 or len(rows[0]) != 1:
            return Reading(verdict=Verdict.ERROR, text="the query must return one row of one column")
        return self._judge(rows[0][0])

    def close(self) -> None:
        """Give the connection back."""
        self._probe.close()

    def _judge(self, value: object) -> Reading:
        if value is None:
            return Reading(verdict=Verdict.HOLD, text="NULL: no data")
        if isinstance(value, bool):
            return Reading(verdict=Verdict.PASS if value else Verdict.FAIL, text=str(value).lower())
        if not isinstance(value, int | float | Decimal):
            return Reading(verdict=Verdict.ERROR, text=f"neither a number nor a boolean: {str(value)[:60]!r}")
        if value != value:  # noqa: PLR0124 # only NaN is not itself
            return Reading(verdict=Verdict.HOLD, text="NaN: no data")
        low, high = self._options.min, self._options.max
        if low is None and high is None:
            return Reading(verdict=Verdict.ERROR, text=f"{value} is a number: set 'min' or 'max'")
        outside = (low is not None and value < low) or (high is not None and value > high)
        wanted = " and ".join(
            f"{word} {bound:g}" for word, bound in (("at least", low), ("at most", high)) if bound is not None
        )
        return Reading(verdict=Verdict.FAIL if outside else Verdict.PASS, text=f"{value}, wanted {wanted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """How many values sync may give up, or find written differently on both sides, in the whole rollout."""

    max_events: int = 0

    def __post_init__(self) -> None:
        if self.max_events < 0:
            raise ValueError("option 'max_events' must not be below 0")


_SWITCHED_OFF = """
    SELECT t.tgname::text, t.tgrelid::regclass::text
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'migsafe' AND starts_with(t.tgname::text, 'zzz_migsafe_') AND t.tgenabled IN ('D', 'R')
    ORDER BY 2, 1 LIMIT 1
"""


class SyncGate:
    """See `Gate`. Counts what the sync triggers could not keep equal, and sees that they are switched on."""

    questions = _WATCHED

    def __init__(self, name: str, options: Options, *, dsn: str, rollout: str) -> None:
        self.name = name
        self._options = typed_options(SyncOptions, options, where=f"gate '{name}'")
        self._rollout = rollout
        self._probe = Probe(dsn)

    def read(self, situation: Situation) -> Reading:
        """Count once."""
        del situation
        query = "SELECT count(*)::bigint FROM migsafe.sync_event WHERE rollout = %(rollout)s"
        try:
            off = self._probe.ask(_SWITCHED_OFF)
            if off:
                text = f"sync trigger {off[0][0]} of {off[0][1]} is switched off: rows may differ since then"
                return Reading(verdict=Verdict.FAIL, text=text)
            count = int(self._probe.ask(query, {"rollout": self._rollout})[0][0])
        except (psycopg.Error, MigsafeError) as error:
            return _error(error)
        text = f"{count} values that sync could not keep equal, {self._options.max_events} are allowed"
        return Reading(verdict=Verdict.FAIL if count > self._options.max_events else Verdict.PASS, text=text)

    def close(self) -> None:
        """Give the connection back."""
        self._probe.close()


class SessionGate:
    """See `Gate`. Holds while a session of the old version is connected.

    It must see none several times in a row: a pool that is shut down may connect once more.
    """

    questions = frozenset({Question.FENCE})
    name = "old-version-gone"
    _IN_A_ROW = 3

    def __init__(self, application_name: str, dsn: str) -> None:
        self._application_name = application_name
        self._probe = Probe(dsn)
        self._quiet = 0

    def read(self, situation: Situation) -> Reading:
        """Look once at all databases' sessions of this one's name."""
        del situation
        query = """
            SELECT count(*)::bigint, min(backend_start)::text FROM pg_stat_activity
            WHERE application_name = %(name)s AND datname = current_database()
        """
        try:
            count, since = self._probe.ask(query, {"name": self._application_name})[0]
        except (psycopg.Error, MigsafeError) as error:
            self._quiet = 0
            return _error(error)
        if count:
            self._quiet = 0
            text = f"{count} sessions of '{self._application_name}' are connected, the oldest since {since}"
            return Reading(verdict=Verdict.HOLD, text=text)
        self._quiet += 1
        text = f"no session of '{self._application_name}'"
        return Reading(verdict=Verdict.PASS if self._quiet >= self._IN_A_ROW else Verdict.HOLD, text=text)

    def close(self) -> None:
        """Give the connection back."""
        self._probe.close()


def _error(error: Exception) -> Reading:
    text = error.message if isinstance(error, MigsafeError) else str(error)
    return Reading(verdict=Verdict.ERROR, text=" ".join(text.split())[:200] or type(error).__name__)
