"""From a few batches to the whole table. Pure.

A row that moves to another page costs an index entry in each index, and its space; one that stays in its
page (HOT) does not. What share of them stays follows from how wide rows are before and after, for the passes
of the striped method make room in each page; what each kind costs was measured.
"""

import math
import statistics
from collections.abc import Sequence

from migsafe.run.forecast.model import Band, Expected, Facts, Place, Sample
from migsafe.run.method import Kind, Method, Work

_POINTER = 4  # bytes in a page for each row version
_PAGE_HEADER = 24
_SWEEPS = 1.0  # passes that only read; at least one
_T = {1: 3.08, 2: 1.89}  # Student's t for a band of 80 %, by degrees of freedom
# What a few batches cannot show: checkpoints, other work on the server, caches that fill.
_LEAST_SPREAD = {"seconds": (1.35, 1.7), "wal": (1.15, 1.25), "growth": (1.3, 1.4)}
# A copy's indexes are small, and it has no triggers: neither the application's nor those that keep in step.
_COPY_ONLY_SPREAD = (1.2, 2.5)
_PRUNE_BYTES = 110.0  # of WAL, for a page and a pass
_BATCH_BYTES = 700.0  # of WAL, for the cursor in the ledger
_BATCH_SECONDS = 0.001  # of work for a batch, beside its rows
_BATCH_TRIPS = 3  # to the server and back
_WINDOW_PAGES = 512


def stay_share(
    *, rows_per_page: float, old_bytes: float, new_bytes: float, passes: int, free: float
) -> float:
    """The share of rows that stay in their page, when each pass finds what the ones before left free.

    `free` is the space in bytes that a page has at first.
    """
    per_pass = rows_per_page / passes
    needed, stayed = new_bytes + _POINTER, 0.0
    for _ in range(passes):
        fits = min(per_pass, max(0.0, free) / needed)
        stayed += fits
        free += per_pass * old_bytes - fits * needed
    return min(1.0, stayed / rows_per_page) if rows_per_page else 0.0


def expect(facts: Facts, method: Method, work: Work, places: Sequence[Place], rows: float) -> Expected | None:
    """What it takes to change so many rows, from these places; None when none of them had one to change."""
    measured = [place for place in places if place.pending and (place.changed or place.copied)]
    if not measured or not rows:
        return None
    hot = statistics.fmean(_hot_share(facts, method, work, place) for place in measured)
    only_copied = all(place.changed is None for place in measured)
    seconds = [_seconds(facts, method, work, place, rows) for place in measured]
    wal = [_wal(facts, method, work, place, rows) for place in measured]
    growth = [_growth(facts, method, work, place, rows) for place in measured]
    of_indexes = [more for _, more in growth]
    knows_wal = facts.writes_wal or not any(place.copied for place in measured)
    return Expected(
        rows=rows,
        hot=hot,
        seconds=band(seconds, "seconds", _COPY_ONLY_SPREAD if only_copied else (1.0, 1.0)),
        wal=band(wal, "wal") if knows_wal else None,
        growth=band([middle for middle, _ in growth], "growth").plus(
            Band(0.0, statistics.fmean(of_indexes) / 2, statistics.fmean(of_indexes))
        ),
    )


def band(values: Sequence[float], kind: str, extra: tuple[float, float] = (1.0, 1.0)) -> Band:
    """A band of 80 % around these, never narrower than what a few batches can tell."""
    below, above = _LEAST_SPREAD[kind]
    positive = [value for value in values if value > 0]
    if not positive:
        return Band(0.0, 0.0, 0.0)
    logs = [math.log(value) for value in positive]
    middle = math.exp(statistics.median(logs))
    spread = 1.0
    if len(logs) > 1:
        degrees = len(logs) - 1
        spread = math.exp(_T.get(degrees, 1.6) * statistics.stdev(logs) / math.sqrt(len(logs)))
    return Band(middle / max(below * extra[0], spread), middle, middle * max(above * extra[1], spread))


def _hot_share(facts: Facts, method: Method, work: Work, place: Place) -> float:
    if work is not Work.UPDATE:
        return 0.0
    in_place = _share(place.changed)
    if method.kind is not Kind.STRIPED or place.copied is None:
        return in_place
    copied = place.copied
    per_page = place.rows / place.pages if place.pages else 0.0
    used = per_page * (copied.old_bytes + _POINTER)
    modelled = stay_share(
        rows_per_page=per_page,
        old_bytes=copied.old_bytes,
        new_bytes=copied.moved_bytes - _POINTER,
        passes=method.stripes,
        free=facts.page_size - _PAGE_HEADER - used,
    )
    # Where a changed column is indexed nothing is HOT, whatever room there is.
    return max(in_place, modelled * (1.0 if _share(copied.stayed) > 0 else 0.0))


def _seconds(facts: Facts, method: Method, work: Work, place: Place, rows: float) -> float:
    hot = _hot_share(facts, method, work, place)
    moved, stayed = _per_row(place, "seconds", facts, hot)
    read = place.read_seconds / place.pages
    looks = method.stripes - 1 + _SWEEPS
    batches = facts.pages / _WINDOW_PAGES * method.stripes
    work_seconds = rows * ((1 - hot) * moved + hot * stayed)
    beside = _BATCH_SECONDS + _BATCH_TRIPS * facts.trip_seconds
    once = facts.pages * place.cold_seconds / place.pages
    return work_seconds + once + facts.pages * read * looks + batches * beside


def _wal(facts: Facts, method: Method, work: Work, place: Place, rows: float) -> float:
    hot = _hot_share(facts, method, work, place)
    moved, stayed = _per_row(place, "wal", facts, hot)
    images = (
        (facts.pages * facts.page_size + facts.index_bytes * (1 - hot)) if facts.full_page_writes else 0.0
    )
    share = min(1.0, rows / max(1.0, facts.pages))  # of the pages that have a row to change
    upkeep = facts.pages * method.stripes * (_PRUNE_BYTES + _BATCH_BYTES / _WINDOW_PAGES)
    return rows * ((1 - hot) * moved + hot * stayed) + images * share + upkeep


def _growth(facts: Facts, method: Method, work: Work, place: Place, rows: float) -> tuple[float, float]:
    """Of the table, and at most of its indexes: entries of dead rows make room now and then."""
    if work is Work.COPY and place.changed is not None and place.changed.rows:
        return rows * place.changed.grown / place.changed.rows, 0.0
    if work is not Work.UPDATE or place.copied is None:
        return 0.0, 0.0
    moved = 1 - _hot_share(facts, method, work, place)
    share = rows * place.pages / (place.rows * facts.pages) if place.rows and facts.pages else 0.0
    return rows * moved * place.copied.moved_bytes, facts.index_bytes * min(1.0, moved) * share


def _per_row(place: Place, what: str, facts: Facts, hot: float) -> tuple[float, float]:
    """What a row takes that moves, and one that stays."""
    copied, changed = place.copied, place.changed
    if copied is None:
        own = _of(changed, what, facts)
        return own, own
    moved, stayed = _of(copied.moved, what, facts), _of(copied.stayed, what, facts)
    if changed is None or not changed.rows or what != "seconds":
        return moved, min(moved, stayed)
    real = _of(changed, what, facts)
    # Triggers cost a row that stays as much; deep indexes and cold pages cost only those that move.
    more = max(0.0, real - moved) if facts.has_triggers else 0.0
    return max(real, stayed if hot else real), min(real, stayed + more)


def _of(sample: Sample | None, what: str, facts: Facts) -> float:
    if sample is None or not sample.rows:
        return 0.0
    if what == "seconds":
        return sample.seconds / sample.rows
    return max(0.0, sample.wal - sample.images * facts.page_size) / sample.rows


def _share(sample: Sample | None) -> float:
    return sample.hot / sample.rows if sample is not None and sample.rows else 0.0
