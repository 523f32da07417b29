"""The forecast of a plan: each of its backfills is tried at three places, and what follows is said."""

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import psycopg
from psycopg import errors, sql

from migsafe.errors import RunError
from migsafe.plan.model import BackfillStep, DdlStep, Plan
from migsafe.run.connect import Conn, application_name, connect
from migsafe.run.events import Observer, ignore
from migsafe.run.facts import read_facts, work_of
from migsafe.run.forecast import trial
from migsafe.run.forecast.model import Copied, Facts, Place, Sample, StepForecast
from migsafe.run.forecast.predict import expect
from migsafe.run.forecast.throttle import throttle_now
from migsafe.run.guard import Onlooker
from migsafe.run.method import HEAP, Work, choose
from migsafe.run.pace.limits import with_run_settings
from migsafe.run.pages import Leaf, read_leaves
from migsafe.run.quarantine import is_of_a_row
from migsafe.run.session import Line, Session, inspect_server
from migsafe.run.settings import Settings
from migsafe.run.watched import Watched
from migsafe.sql.operations import AddColumn
from migsafe.sql.script import read_script

PLACES = 3
_TRIPS = 9
_SAMPLED_PAGES = 512
_SAMPLED_RELATIONS = 16
_ATTEMPTS = 5
_FILLED = 0.4  # of a batch's target time, at most, so that one that is slower than the first is no longer
_COPY_SECONDS = 2.0  # nobody can wait for rows of a copy
_NOT_YET = (errors.UndefinedColumn, errors.UndefinedFunction, errors.UndefinedTable, errors.InvalidSchemaName)
_AGAIN = (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected, errors.SerializationFailure)
_FACTS = """
    SELECT coalesce(sum(pg_indexes_size(c.oid)), 0)::int8,
           EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = ANY (%(leaves)s::oid[]) AND NOT t.tgisinternal),
           current_setting('full_page_writes')::bool, current_setting('wal_level') <> 'minimal',
           current_setting('block_size')::int
    FROM pg_class c WHERE c.oid = ANY (%(leaves)s::oid[])
"""


def forecast(
    plan: Plan, dsn: str, *, settings: Settings | None = None, observer: Observer = ignore
) -> tuple[StepForecast, ...]:
    """What each backfill of the plan will take. Nothing is changed; the ledger is not needed.

    Raises:
        ConnectionFailed: The database cannot be reached.
        RunError: A table is not there, or stays locked.
    """
    settings = settings or Settings()
    with _session(plan, dsn, settings, observer) as session:
        return tuple(_Trials(session, step).run() for step in plan.steps if isinstance(step, BackfillStep))


@contextmanager
def _session(plan: Plan, dsn: str, settings: Settings, observer: Observer) -> Iterator[Session]:
    conn = connect(dsn, timeout=settings.connect_timeout, application_name=application_name(plan.name))
    line, watched = Line(conn), Watched()
    try:
        with Onlooker(dsn, settings, watched).watching():
            yield Session(
                line=line,
                dsn=dsn,
                plan=plan,
                rollout_id=0,
                token=None,
                server=inspect_server(conn),
                settings=settings,
                observer=observer,
                watched=watched,
            )
    finally:
        line.close()


@dataclass(frozen=True, slots=True)
class _Spot:
    """Some pages of one of the relations."""

    leaf: Leaf
    first: int
    end: int


class _Trials:
    """The trials of one backfill."""

    def __init__(self, session: Session, step: BackfillStep) -> None:
        self._session, self._step = session, step
        self._pages = session.settings.first_window_pages
        self._in_place, self._is_new = True, True
        self._dead = 0
        self._added = _added_columns(session.plan, step)

    def run(self) -> StepForecast:
        """Try it, and say what follows."""
        session, step = self._session, self._step
        pace = with_run_settings(
            session.settings.pace,
            batch_seconds=session.settings.batch_seconds,
            rows=session.settings.max_rows_per_second,
        )
        made = StepForecast(
            step=step.id,
            title=step.title,
            table=str(step.table),
            throttle=throttle_now(session.conn, step.table, pace),
        )
        try:
            leaves = tuple(leaf for leaf in read_leaves(session.conn, step.table) if leaf.pages)
        except RunError as error:
            return replace(made, why_not=error.message)
        if any(leaf.access_method != HEAP for leaf in leaves):
            return replace(made, why_not="the table's storage has no order of pages to take samples from")
        pages = sum(leaf.pages for leaf in leaves)
        made = replace(made, relations=len(leaves), pages=pages)
        if not leaves:
            return replace(made, why_not="the table is empty")
        before = _size(session.conn, leaves)
        try:
            places = tuple(self._place(leaves, third) for third in range(PLACES))
        except _NotMeasurable as why:
            return replace(made, why_not=str(why), left_dead=self._dead)
        largest = max(leaves, key=lambda leaf: leaf.pages)
        method = choose(read_facts(session.conn, step, largest), stripes=session.settings.stripes)
        return replace(
            made,
            in_place=self._in_place,
            method=str(method),
            places=places,
            expected=expect(
                _facts(session.conn, leaves, pages), method, work_of(step), places, self._rows(leaves, places)
            ),
            left_dead=self._dead,
            left_bytes=_size(session.conn, leaves) - before,
        )

    def _place(self, leaves: Sequence[Leaf], third: int) -> Place:
        """Measure somewhere in this third of the table; somewhere else, or fewer pages, when that fails."""
        reason: Exception | None = None
        done: Place | None = None
        for _ in range(_ATTEMPTS):
            spot = _spot(leaves, third, self._pages)
            try:
                place = self._measure(spot)
                if place.pending:
                    return place
                done = place
            except _NOT_YET as error:
                if not self._in_place:
                    raise _NotMeasurable(_not_yet(error)) from error
                self._in_place = False
            except _AGAIN as error:
                self._session.gave_way()
                self._pages = max(1, self._pages // 2)
                reason = error
            except psycopg.Error as error:
                if not is_of_a_row(error):
                    raise
                reason = error
        if done is not None:  # there may be nothing to change
            return done
        said = reason.diag.message_primary if isinstance(reason, psycopg.Error) else str(reason)
        raise _NotMeasurable(f"no batch could be tried in {_ATTEMPTS} attempts: {said}")

    def _rows(self, leaves: Sequence[Leaf], places: Sequence[Place]) -> float:
        """About how many are to change: those that are done may lie together, so many pages are asked."""
        pages = sum(leaf.pages for leaf in leaves)
        seen, pending = sum(place.rows for place in places), sum(place.pending for place in places)
        per_page = seen / max(1, sum(place.pages for place in places))
        if not self._in_place:
            return pages * per_page
        some = random.sample(leaves, min(len(leaves), _SAMPLED_RELATIONS))
        with suppress(*_AGAIN):
            seen = pending = 0
            for leaf in some:
                with trial.rolled_back(
                    self._session, seconds=self._session.settings.batch_seconds * 4
                ) as conn:
                    found = trial.sample_pending(conn, self._step, leaf, _SAMPLED_PAGES // len(some))
                seen, pending = seen + found[0], pending + found[1]
        return pages * per_page * pending / seen if seen else 0.0

    def _measure(self, spot: _Spot) -> Place:
        session, step, pages = self._session, self._step, (spot.first, spot.end)
        with trial.rolled_back(session, seconds=session.settings.batch_seconds * 4) as conn:
            _, _, cold = trial.look(conn, step, spot.leaf, pages, pending=self._in_place)
            rows, pending, warm = trial.look(conn, step, spot.leaf, pages, pending=self._in_place)
        place = Place(
            relation=str(spot.leaf.name),
            first=spot.first,
            end=spot.end,
            rows=rows,
            pending=pending,
            read_seconds=warm,
            cold_seconds=max(0.0, cold - warm),
        )
        if not pending:
            return place
        changed = self._change(spot) if self._in_place else None
        return replace(place, changed=changed, copied=self._copy(spot))

    def _change(self, spot: _Spot) -> Sample:
        session = self._session
        target = session.settings.batch_seconds
        limit = max(target, session.server.deadlock_seconds * 0.8)
        with trial.rolled_back(session, seconds=limit) as conn:
            conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
            sample = trial.change(conn, self._step, spot.leaf, (spot.first, spot.end))
        self._dead += 0 if self._step.delete else sample.rows
        if self._is_new and sample.rows:
            wanted = self._pages * _FILLED * target / max(sample.seconds, 1e-4)
            self._pages = max(1, min(session.settings.window_pages // 4, int(wanted)))
            self._is_new = False
        return sample

    def _copy(self, spot: _Spot) -> Copied | None:
        """Only an UPDATE has rows that stay in their page, and rows that move."""
        if work_of(self._step) is not Work.UPDATE:
            if not self._in_place:
                raise _NotMeasurable(
                    "what it writes to is not there yet: ask again when the plan is expanded"
                )
            return None
        if not self._in_place and not self._added:
            raise _NotMeasurable(
                "the columns that it writes are not there yet: ask again when it is expanded"
            )
        try:
            with trial.rolled_back(self._session, seconds=_COPY_SECONDS) as conn:
                return trial.change_copy(conn, self._step, spot.leaf, (spot.first, spot.end), self._added)
        except errors.InsufficientPrivilege as error:
            if self._in_place:
                return None
            raise _NotMeasurable(f"{error.diag.message_primary}: this role may not make a copy") from error


class _NotMeasurable(Exception):
    """Nothing can be tried: why."""


def _spot(leaves: Sequence[Leaf], third: int, pages: int) -> _Spot:
    """So many pages at random in this third of all pages."""
    total = sum(leaf.pages for leaf in leaves)
    low, high = total * third // PLACES, max(total * third // PLACES, total * (third + 1) // PLACES - pages)
    at = random.randint(low, high)  # noqa: S311 - a sample
    for leaf in leaves:
        if at < leaf.pages:
            return _Spot(leaf, at, min(leaf.pages, at + pages))
        at -= leaf.pages
    return _Spot(leaves[-1], max(0, leaves[-1].pages - pages), leaves[-1].pages)


def _added_columns(plan: Plan, step: BackfillStep) -> tuple[tuple[str, str], ...]:
    """The columns that earlier steps of the plan add to the table, with their types."""
    found: list[tuple[str, str]] = []
    for each in plan.steps:
        if each.id == step.id:
            break
        if isinstance(each, DdlStep):
            reads = [read for text in each.sql for read in read_script(text).statements]
            found += [
                (operation.column.name, str(operation.column.type))
                for operation in (part.operation for read in reads for part in read.parts)
                if isinstance(operation, AddColumn) and operation.table == step.table
            ]
    return tuple(found)


def _facts(conn: Conn, leaves: Sequence[Leaf], pages: int) -> Facts:
    row = conn.execute(_FACTS, {"leaves": [leaf.oid for leaf in leaves]}).fetchone()
    index_bytes, triggers, images, writes_wal, page_size = row or (0, False, True, True, 8192)
    return Facts(
        pages=pages,
        page_size=page_size,
        index_bytes=index_bytes,
        has_triggers=triggers,
        full_page_writes=images,
        writes_wal=writes_wal,
        trip_seconds=_trip(conn),
    )


def _trip(conn: Conn) -> float:
    """How long a statement takes that does nothing: the way to the server and back, on a busy machine too."""
    found = []
    for _ in range(_TRIPS):
        began = time.monotonic()
        conn.execute("SELECT")
        found.append(time.monotonic() - began)
    return statistics.median(found)


def _size(conn: Conn, leaves: Sequence[Leaf]) -> int:
    query = sql.SQL("SELECT coalesce(sum(pg_relation_size(c)), 0)::int8 FROM unnest({}::oid[]) c")
    row = conn.execute(query.format(sql.Literal([leaf.oid for leaf in leaves]))).fetchone()
    return int(row[0]) if row else 0


def _not_yet(error: psycopg.Error) -> str:
    return f"{error.diag.message_primary}: ask again when the plan is expanded"
