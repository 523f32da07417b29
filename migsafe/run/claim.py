"""A chunk that a worker is at work on: every transaction of it proves first that the chunk is its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from migsafe.run.cursor import Cursor
from migsafe.run.ledger import chunks
from migsafe.run.ledger.chunks import Chunk
from migsafe.run.ledger.model import Request
from migsafe.run.session import Session

_SECONDS = 5.0


class ChunkLost(Exception):
    """Somebody else has the chunk now: control flow, there are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One chunk in the hands of one worker."""

    session: Session
    worker: int
    chunk: Chunk

    def fence(self) -> Request | None:
        """Make sure, inside a transaction and until its end, that the chunk is ours. Returns what was asked.

        From here on the guard may cancel what keeps others waiting, until `Session.guarded` ends.

        Raises:
            ChunkLost: Somebody else has it, or it is no more.
            Fenced: Somebody took the rollout over, and we belong to its former runner.
        """
        session = self.session
        found = chunks.fence(session.conn, session.rollout_id, self.chunk, self.worker, session.token)
        if found is not None:
            request, pid = found
            session.watched.enter(session.seat, pid)
            return request
        if session.token is not None:
            session.fence()
        raise ChunkLost

    def move(self, cursor: Cursor, *, rows: int, speeds: tuple[float, float]) -> None:
        """Record, in the batch's own transaction, how far the chunk is."""
        chunk = self.chunk
        chunks.move(
            self.session.conn,
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
            self.move(cursor, rows=0, speeds=(0.0, 0.0))

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
            session.conn.execute("SET LOCAL synchronous_commit = off")
        yield


def take(session: Session, step: str, worker: int) -> Claim | None:
    """A chunk of the step that nobody alive is at work on; None when there is none."""
    with short(session):
        chunk = chunks.claim(session.conn, session.rollout_id, step, worker)
    return None if chunk is None else Claim(session=session, worker=worker, chunk=chunk)
