"""The transaction of one revision, tried again when its locks are not free."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from migsafe.config.model import AlembicSettings

log = logging.getLogger("alembic.migsafe")

# lock_not_available, deadlock_detected, serialization_failure
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_RETRYABLE = frozenset({"55P03", "40P01", "40001"})
_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS, _GROWTH = 0.1, 10.0, 2.0


class Attempts:
    """Runs one revision after the other, each in attempts."""

    def __init__(self, context: MigrationContext, settings: AlembicSettings) -> None:
        self._context, self._settings = context, settings
        self._committed = False
        original = context.autocommit_block

        @contextmanager
        def autocommit_block() -> Iterator[None]:
            self._committed = True
            with original():
                yield
            if not context.as_sql:
                self._limit()

        vars(context)["autocommit_block"] = autocommit_block  # of this one context

    def run(self, revision: Callable[[], None], name: str) -> None:
        """Run the revision's function.

        Raises:
            CommandError: Its locks were not free in any attempt; nothing of it was applied.
        """
        if self._context.as_sql:
            self._show_limits()
            revision()
            return
        self._committed = False
        for attempt in range(1, self._settings.attempts + 1):
            self._limit()
            try:
                revision()
            except DBAPIError as error:
                if sqlstate(error) not in _RETRYABLE or not self._may_repeat():
                    raise
                self._roll_back()
                self._wait(error, name, attempt)
            else:
                return

    def _may_repeat(self) -> bool:
        """Not when a part of the revision is committed: the rest alone cannot be repeated."""
        return not self._committed and self._context._transaction is not None  # noqa: SLF001 -- what autocommit_block ends, too

    def _roll_back(self) -> None:
        context = self._context
        transaction, connection = context._transaction, context.connection  # noqa: SLF001 -- the same
        if transaction is not None and connection is not None:
            transaction.rollback()
            context._transaction = connection.begin()  # noqa: SLF001 -- the same

    def _wait(self, error: DBAPIError, name: str, attempt: int) -> None:
        reason = str(error.orig).strip().splitlines()[0]
        if attempt == self._settings.attempts:
            raise CommandError(
                f"migsafe: revision {name} was rolled back {attempt} times: {reason}; nothing of it was "
                f"applied.\nThe statement: {' '.join((error.statement or '').split())[:300]}\n"
                "Somebody holds what it needs: look for old transactions in pg_stat_activity, then run it "
                "again."
            ) from error
        pause = min(_FIRST_PAUSE_SECONDS * _GROWTH ** (attempt - 1), _LAST_PAUSE_SECONDS)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 -- nothing secret about a pause
        log.info("revision %s: %s (attempt %d); again in %.1f s", name, reason, attempt, pause)
        time.sleep(pause)

    def _limits(self) -> dict[str, str]:
        settings = self._settings
        found = {
            "lock_timeout": settings.lock_timeout,
            "statement_timeout": settings.statement_timeout,
            "idle_in_transaction_session_timeout": settings.idle_timeout,
        }
        return {name: f"{round(value * 1000)}ms" for name, value in found.items() if value is not None}

    def _limit(self) -> None:
        """For the transaction that runs now, if one does."""
        connection = self._context.connection
        if connection is None or self._context._transaction is None:  # noqa: SLF001 -- the same
            return
        for name, value in self._limits().items():
            connection.exec_driver_sql(f"SET LOCAL {name} = '{value}'")

    def _show_limits(self) -> None:
        for name, value in self._limits().items():
            if name != "idle_in_transaction_session_timeout":
                self._context.impl.static_output(f"SET LOCAL {name} = '{value}';")


def sqlstate(error: DBAPIError) -> str:
    """The five characters, whichever driver it was: psycopg and asyncpg say sqlstate, psycopg2 pgcode."""
    original: object = error.orig
    for name in ("sqlstate", "pgcode"):
        value = getattr(original, name, None)
        if isinstance(value, str):
            return value
    return ""
