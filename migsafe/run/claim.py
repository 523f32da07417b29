"""A chunk that a worker is at work on: every transaction of it proves first that the chunk is its own."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from migsafe.run.cursor import Cursor
from migsafe.run.ledger import chunks
from migsafe.run.ledger.chunks import Chunk
from migsafe.run.ledger.model import Request, StopRequested
from migsafe.run.session import Session

_SECONDS = 5.0
# Rows and cursor are lost together, if the server crashes before it wrote them: done again then. Where
# standbys must confirm, waiting for them is what keeps us from running ahead of them.
_NEED_NOT_WAIT = sql.SQL("SET LOCAL synchronous_commit = off")


class ChunkLost(Exception):
    """Somebody else has the chunk now: control flow, there are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One chunk in the hands of one worker."""

    session: Session
    worker: int
    chunk: Chunk

    def begin(self, *, lock_seconds: float, statement_seconds: float) -> None:
        """Begin a transaction that holds the chunk until its end, in one round trip.

        From here on the guard may cancel what keeps others waiting, until `commit` or `abandon`.

        Raises:
            StopRequested: Somebody asked us to stop.
            ChunkLost: Somebody else has it, or it is no more.
            Fenced: Somebody took the rollout over, and we belong to its former runner.
        """
        session = self.session
        parts = [
            sql.SQL("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
            session.limits(lock_seconds=lock_seconds, statement_seconds=statement_seconds),
        ]
        if not session.server.waits_for_standbys:
            parts.append(_NEED_NOT_WAIT)
        asked = self._held(session.conn.execute(sql.SQL("; ").join([*parts, self._fence])))
        if asked is not None:
            raise StopRequested(asked)

    def commit(self, cursor: Cursor, *, rows: int, speeds: tuple[float, float]) -> None:
        """Record how far the chunk is, and commit, in one round trip."""
        self.session.watched.leave(self.session.seat)
        move = self._move(cursor, rows=rows, speeds=speeds)
        self.session.conn.execute(sql.SQL("{}; COMMIT").format(move))

    def abandon(self) -> None:
        """Roll back what was begun, if it has not ended by itself."""
        conn = self.session.conn
        self.session.watched.leave(self.session.seat)
        if not conn.closed and conn.info.transaction_status is not TransactionStatus.IDLE:
            with suppress(psycopg.Error):  # then the connection is lost, and the server rolls it back
                conn.rollback()

    def fence(self) -> Request | None:
        """Hold the chunk until the end of a transaction of the caller's. Returns what was asked.

        Raises:
            ChunkLost, Fenced: As `begin` says.
        """
        return self._held(self.session.conn.execute(self._fence))

    @property
    def _fence(self) -> sql.Composed:
        session = self.session
        return chunks.fence(session.rollout_id, self.chunk, self.worker, session.token)

    def _held(self, results: psycopg.Cursor[tuple[Any, ...]]) -> Request | None:
        session = self.session
        while results.nextset():
            pass  # the last one is that of the fence
        found = chunks.read_fence(results.fetchone())
        if found is not None:
            request, pid = found
            session.watched.enter(session.seat, pid)
            return request
        if session.token is not None:
            session.fence()
        raise ChunkLost

    def _move(self, cursor: Cursor, *, rows: int, speeds: tuple[float, float]) -> sql.Composed:
        chunk = self.chunk
        return chunks.move(
            self.session.rollout_id,
            chunk,
            cursor.to_json(),
            rows=rows,
            done=min(cursor.first + cursor.done_of_window, chunk.last) - chunk.first,
            speeds=speeds,
            complete=cursor.first >= chunk.last,
        )

    def finish(self, cursor: Cursor) -> None:
        """Nothing is left of it."""
        with short(self.session), self.session.guarded():
            self.fence()
            self.session.conn.execute(self._move(cursor, rows=0, speeds=(0.0, 0.0)))

    def release(self, error: str | None = None) -> None:
        """Give it back, or say why it cannot be done."""
        with short(self.session):
            chunks.release(self.session.conn, self.session.rollout_id, self.chunk, self.worker, error=error)


@contextmanager
def short(session: Session) -> Iterator[None]:
    """A transaction for the ledger alone, which need not wait for the disk: what it loses is done again."""
    with session.conn.transaction():
        session.limit(lock_seconds=_SECONDS, statement_seconds=_SECONDS)
        if not session.server.waits_for_standbys:
            session.conn.execute(_NEED_NOT_WAIT)
        yield


def take(session: Session, step: str, worker: int) -> Claim | None:
    """A chunk of the step that nobody alive is at work on; None when there is none."""
    with short(session):
        chunk = chunks.claim(session.conn, session.rollout_id, step, worker)
    return None if chunk is None else Claim(session=session, worker=worker, chunk=chunk)
