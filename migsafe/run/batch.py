"""One batch: its rows, its cursor and the check of the lease in one transaction, so exactly once."""

import random
import time
from dataclasses import dataclass, replace

import psycopg
from psycopg import errors, sql

from migsafe.errors import LockTimeout, RunError
from migsafe.plan.model import BackfillStep
from migsafe.run import keyset, statements
from migsafe.run.blockers import find_blockers
from migsafe.run.claim import Claim
from migsafe.run.connect import Conn
from migsafe.run.cursor import Cursor
from migsafe.run.events import LockRetry, RowQuarantined
from migsafe.run.method import Kind, Method
from migsafe.run.pace.window import WindowSize
from migsafe.run.pages import Leaf, stripe, window
from migsafe.run.quarantine import TooSlowError, is_of_a_row, pick
from migsafe.run.session import Session

_ATTEMPTS = 60
_PATIENT_ATTEMPTS = 3  # from then on locked rows are left for the sweep
_WAIT_SECONDS = 5.0
_LAST_RESORT_SECONDS = 30.0
_RETRYABLE = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One stripe of one window of a chunk."""

    claim: Claim
    leaf: Leaf
    key: str | None  # to make stripes by
    cursor: Cursor
    method: Method
    speeds: tuple[float, float] = (0.0, 0.0)  # pages and rows per second, up to this batch


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What it did, how long the successful attempt took, and where the next one begins."""

    rows: int
    seconds: float
    cursor: Cursor
    quarantined: tuple[RowQuarantined, ...] = ()


def run_batch(session: Session, step: BackfillStep, batch: Batch, size: WindowSize) -> BatchResult:
    """Do the batch, or a smaller one where it takes too long, trying again while its rows are locked.

    Rows that cannot be changed as the plan says are picked out and put into quarantine.

    Raises:
        StopRequested: Somebody asked us to stop; nothing of this batch was done.
        LockTimeout: The table stayed locked, or others waited for every attempt.
        RunError: Too many rows cannot be changed.
    """
    picking, blockers = False, tuple[str, ...]()
    for attempt in range(1, _ATTEMPTS + 1):
        began = time.monotonic()
        skipping = attempt > _PATIENT_ATTEMPTS
        limit = _time_limit(session, size)
        try:
            result = _attempt(session, step, batch, skipping=skipping, picking=picking, limit=limit)
        except _RETRYABLE:
            blockers = _wait(session, step, batch, attempt)
        except errors.QueryCanceled as error:
            gave_way = session.gave_way()
            if not gave_way and time.monotonic() - began < limit * 0.9:
                raise RunError(
                    f"a batch of '{step.title}' was cancelled by somebody",
                    advice="Nothing of that batch was applied. Run the same command again to go on.",
                ) from error
            size.halve()
            batch = _smaller(batch, size)
            if gave_way:
                _let_others(session, attempt)
        except TooSlowError:
            size.halve()
            batch = _smaller(batch, size)
        except psycopg.Error as error:
            if not is_of_a_row(error):
                raise
            if picking:
                raise _refused(step, batch, error) from error
            picking = True
        else:
            size.after(result.seconds)
            for row in result.quarantined:
                session.emit(row)
            return result
    raise LockTimeout(
        f"pages {batch.cursor.first} to {batch.cursor.end} of {batch.leaf.name} could not be "
        f"{statements.participle(step)} in {_ATTEMPTS} attempts: the table is locked, a single row takes "
        f"longer than {_LAST_RESORT_SECONDS:.0f} s, or the application waited for every attempt",
        advice="".join(f"In the way: {blocker}.\n" for blocker in blockers)
        + "Everything before is done. Run the same command again to go on.",
    )


def _attempt(
    session: Session, step: BackfillStep, batch: Batch, *, skipping: bool, picking: bool, limit: float
) -> BatchResult:
    began = time.monotonic()
    claim = batch.claim
    try:
        # Three round trips: on a busy machine each of them may cost as much as a hundred rows.
        claim.begin(
            lock_seconds=min(session.settings.row_lock_seconds, session.server.deadlock_seconds * 0.4),
            statement_seconds=limit,
        )
        done = _do(session, step, batch, skipping=skipping, picking=picking, limit=limit)
        claim.commit(done.cursor, rows=done.rows, speeds=batch.speeds)
    except BaseException:
        claim.abandon()
        raise
    return replace(done, seconds=time.monotonic() - began)


def _do(
    session: Session, step: BackfillStep, batch: Batch, *, skipping: bool, picking: bool, limit: float
) -> BatchResult:
    quarantined: tuple[RowQuarantined, ...] = ()
    where, after = _window(session.conn, batch)
    chosen = statements.Rows(leaf=batch.leaf, table=step.table, where=where)
    if picking:
        # A single page takes as long as it takes.
        picked = pick(session, step, chosen, sweep=batch.cursor.sweep, skipping=skipping, seconds=limit)
        found, rows, quarantined = picked.found, picked.changed, picked.quarantined
    else:
        found, rows = _work(session.conn, step, batch, chosen, skipping=skipping)
    cursor = after.next_batch(found=found, skipped=skipping)
    return BatchResult(rows=rows, seconds=0.0, cursor=cursor, quarantined=quarantined)


def _window(conn: Conn, batch: Batch) -> tuple[sql.Composable, Cursor]:
    """The rows of the batch, and the cursor that says where they end."""
    cursor = batch.cursor
    if batch.method.kind is not Kind.KEYSET:
        rows = stripe(batch.key, cursor.number, cursor.stripes)
        return sql.SQL("{} AND {}").format(window(*cursor.pages), rows), cursor
    key, count = batch.method.key, (cursor.end - cursor.first) * keyset.ROWS_PER_PAGE
    upto = keyset.last_key(conn, batch.leaf, key, cursor.after, count)
    # The pages of a chunk only tell how far it is: there may be more or fewer keys than they would hold.
    end = batch.claim.chunk.last if upto is None else min(cursor.end, batch.claim.chunk.last - 1)
    return keyset.rows_between(key, cursor.after, upto), replace(cursor, end=end, after=upto)


def _work(
    conn: Conn, step: BackfillStep, batch: Batch, rows: statements.Rows, *, skipping: bool
) -> tuple[int, int]:
    """Do the rows; returns how many were pending and how many were changed.

    The two are not always the same: a trigger may refuse a row without a word, and a row that is to be copied
    may meet another one with a key of its own. Only a look beforehand shows it, so a sweep has one; the main
    pass has no use for it.
    """
    pending = None
    if batch.cursor.sweep:
        row = conn.execute(statements.count_pending(step, rows)).fetchone()
        pending = int(row[0]) if row else 0
    if pending == 0:
        return 0, 0
    changed = conn.execute(statements.change(step, rows, skipping=skipping)).rowcount
    return changed if pending is None else pending, changed


def _time_limit(session: Session, size: WindowSize) -> float:
    """How long a batch may hold its row locks.

    Shorter than deadlock_timeout, so that the application is never the victim of a deadlock with us; only
    where the window cannot shrink any more, rather slow than never.
    """
    short = max(size.target_seconds, session.server.deadlock_seconds * 0.8)
    return short if size.pages > 1 else _LAST_RESORT_SECONDS


def _smaller(batch: Batch, size: WindowSize) -> Batch:
    """The same batch over fewer pages.

    Within a window the pages that it loses have had some of their stripes: the next window finds those done.
    """
    cursor = batch.cursor
    # The bounds between parts come nearer too: a page never falls to a part that has had its turn already.
    end = min(cursor.end, cursor.first + size.pages * cursor.parts)
    return replace(batch, cursor=replace(cursor, end=end))


def _let_others(session: Session, attempt: int) -> None:
    """Somebody waited for us: they go first."""
    time.sleep(min(_WAIT_SECONDS, 0.05 * 2.0**attempt) * random.uniform(0.5, 1.0))  # noqa: S311 - just a pause
    session.check()


def _wait(session: Session, step: BackfillStep, batch: Batch, attempt: int) -> tuple[str, ...]:
    seconds = min(_WAIT_SECONDS, 0.05 * 2.0**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - just a pause
    found = find_blockers(session.conn, statements.locks(step, batch.leaf))
    blockers = tuple(map(str, found)) or ("a transaction that has changed one of the rows",)
    session.emit(
        LockRetry(
            step=step.id,
            attempt=attempt,
            attempts=_ATTEMPTS,
            wait_seconds=seconds,
            blockers=blockers,
        )
    )
    time.sleep(seconds)
    session.check()
    return blockers


def _refused(step: BackfillStep, batch: Batch, error: psycopg.Error) -> RunError:
    cursor = batch.cursor
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    return RunError(
        f"a row in pages {cursor.first} to {cursor.end} of {batch.leaf.name} cannot be "
        f"{statements.participle(step)} by '{step.title}': {error.diag.message_primary}{detail}",
        advice="Nothing of that batch was applied. Correct the row, or the plan, and run it again.",
    )
