"""A worker: takes chunks of a backfill, one after the other, and goes through each in batches.

Any number of them may be at work, in one process or on several hosts: what they share is the ledger. One is
used by one thread only, and its session by nobody else.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import psycopg
from psycopg import errors

from migsafe.errors import RunError
from migsafe.plan.model import BackfillStep
from migsafe.run.batch import Batch, BatchResult, run_batch
from migsafe.run.claim import ChunkLost, Claim, short, take
from migsafe.run.cursor import Cursor
from migsafe.run.events import BatchDone, MethodChosen, Notice
from migsafe.run.facts import read_facts
from migsafe.run.ledger import chunks, workers
from migsafe.run.ledger.model import StopRequested
from migsafe.run.ledger.rollouts import add_audit
from migsafe.run.method import HEAP, Kind, Method, choose
from migsafe.run.pace.pacer import Pacer
from migsafe.run.pace.window import Rate, WindowSize
from migsafe.run.pages import Leaf, find_leaf, integer_key, is_there
from migsafe.run.session import Session

_COUNT_SECONDS = 1.0
_METHOD_SECONDS = 10.0
_MOST_PARTS = 4


_SWEEP = Method(kind=Kind.PLAIN, stripes=1, reason="a sweep finds little to do")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What was chosen for a relation, and when."""

    read_at: float
    method: Method


class Worker:
    """Goes through chunks of one step. `tell` is called after each batch."""

    def __init__(
        self,
        session: Session,
        step: BackfillStep,
        number: int,
        pacer: Pacer,
        *,
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        self.session, self.step, self.number, self.pacer, self.tell = session, step, number, pacer, tell
        settings = session.settings
        self.size = WindowSize(
            pages=settings.first_window_pages,
            most=settings.window_pages,
            target_seconds=settings.batch_seconds,
        )
        self._page_rate, self._row_rate = Rate(), Rate()
        self._counted_at = -_COUNT_SECONDS
        self.chunks = self.rows = 0  # that it was at work on, and changed
        self._methods: dict[int, _Known] = {}
        self._noted: tuple[int, Method] | None = None

    def work(self) -> bool:
        """Take a chunk and go through all of it; False when there is none to take.

        Raises:
            StopRequested: Somebody asked the rollout to stop.
            Fenced: Somebody took the rollout over from the process that this one belongs to.
            RunError: A row of it cannot be changed, or its table stays locked.
        """
        claim = take(self.session, self.step.id, self.number)
        if claim is None:
            return False
        self._count_workers()
        self.chunks += 1
        try:
            with suppress(ChunkLost):
                self._through(claim)
        except StopRequested:
            claim.release()
            raise
        except (RunError, psycopg.Error) as error:
            if self.session.token is not None or self.session.conn.closed:
                raise
            self._hand_over(claim, error)
        return True

    def _hand_over(self, claim: Claim, error: RunError | psycopg.Error) -> None:
        """Who joined leaves what cannot be done to the runner, and takes another chunk."""
        message = error.message if isinstance(error, RunError) else " ".join(str(error).split())
        claim.release(error=message)
        self.session.emit(Notice(text=f"left to the runner: {message}"))

    def _through(self, claim: Claim) -> None:
        chunk, cursor = claim.chunk, Cursor.from_json(claim.chunk.cursor)
        leaf = find_leaf(self.session.conn, chunk.leaf)
        if leaf is not None:
            try:
                self._batches(claim, leaf, cursor)
            except errors.UndefinedTable:
                if is_there(self.session.conn, leaf):
                    raise
            else:
                return
        # Dropped meanwhile, or renamed: then the next sweep finds it.
        claim.finish(replace(cursor, first=chunk.last, stripe=0, skipped=True))

    def _batches(self, claim: Claim, leaf: Leaf, cursor: Cursor) -> None:
        chunk = claim.chunk
        key = integer_key(self.session.conn, leaf)
        self.size.most = self._most_pages(cursor)
        while cursor.first < chunk.last:
            method = self._method(claim, leaf, cursor)
            if cursor.stripe == 0:  # else an interrupted window, which keeps its bounds
                cursor = self._open_window(cursor, chunk.last, method)
            batch = Batch(
                claim=claim,
                leaf=leaf,
                key=key,
                cursor=cursor,
                method=method,
                speeds=(self._page_rate.per_second, self._row_rate.per_second),
            )
            result = run_batch(self.session, self.step, batch, self.size)
            self._account(leaf, cursor, result)
            cursor = result.cursor

    def _open_window(self, cursor: Cursor, last: int, method: Method) -> Cursor:
        """The next window.

        Who is in a transaction holds back pruning everywhere. So when others are at work, a window has parts
        that take turns: until it is a part's turn again, their transactions of before have ended.
        """
        others = self.pacer.workers - 1
        parts = min(_MOST_PARTS, others + 2) if method.stripes > 1 and others > 0 else 1
        end = min(last, cursor.first + self.size.pages * parts)
        return cursor.open_window(end, stripes=method.stripes, parts=parts)

    def _method(self, claim: Claim, leaf: Leaf, cursor: Cursor) -> Method:
        """How to go through this relation, as it is now. A sweep, which finds little, needs no stripes."""
        session, now = self.session, time.monotonic()
        if cursor.sweep and leaf.access_method == HEAP:
            return _SWEEP
        known = self._methods.get(leaf.oid)
        if known is not None and now - known.read_at < _METHOD_SECONDS:
            method = known.method
        elif cursor.stripe and known is not None:
            return known.method  # in the middle of a window
        else:
            method = choose(read_facts(session.conn, self.step, leaf), stripes=session.settings.stripes)
            self._methods[leaf.oid] = _Known(read_at=now, method=method)
        if self._noted != (claim.chunk.number, method):
            self._note(claim, leaf, method)
            self._noted = (claim.chunk.number, method)
        return method

    def _note(self, claim: Claim, leaf: Leaf, method: Method) -> None:
        session, relation = self.session, str(leaf.name)
        with short(session):
            is_new = chunks.note_method(session.conn, session.rollout_id, claim.chunk, str(method))
            if is_new:
                detail = {"step": self.step.id, "relation": relation, "method": str(method)}
                add_audit(session.conn, session.rollout_id, "method", detail)
        if is_new:
            text = f"{relation}: {method}"
            session.emit(MethodChosen(step=self.step.id, relation=relation, method=str(method), text=text))

    def _account(self, leaf: Leaf, before: Cursor, result: BatchResult) -> None:
        now = time.monotonic()
        # The window's end may have come nearer.
        pages = (result.cursor.end - before.first) / (before.stripes * before.parts)
        self._page_rate.add(pages, result.seconds)
        self._row_rate.add(result.rows, result.seconds)
        self.rows += result.rows
        relation = str(leaf.name)
        self.session.emit(
            BatchDone(step=self.step.id, relation=relation, rows=result.rows, seconds=result.seconds)
        )
        self.tell()
        if now - self._counted_at > _COUNT_SECONDS:
            self._count_workers()
        self.pacer.pause(rows=result.rows, worked=result.seconds)
        self.size.target_seconds = self.pacer.batch_seconds
        self.size.most = self.pacer.most_pages(
            self._most_pages(before), pages=result.cursor.end - before.first, rows=result.rows
        )

    def _most_pages(self, cursor: Cursor) -> int:
        settings = self.session.settings
        return settings.sweep_pages if cursor.sweep else settings.window_pages

    def _count_workers(self) -> None:
        """How many are at work: they share what may be done, and are in each other's way."""
        session = self.session
        self.pacer.workers = max(1, workers.count_working(session.conn, session.rollout_id))
        self._counted_at = time.monotonic()
