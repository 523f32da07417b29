"""`migsafe forecast`: what the backfills of a plan will take."""

from typing import TYPE_CHECKING, Any

import typer

from migsafe.cli.formats import OutputFormat, print_json
from migsafe.cli.rollouts import DATABASE, FORMAT, PLAN, configured_pace, find_plan
from migsafe.cli.run import DIRECT, LIMIT, RATE

if TYPE_CHECKING:
    from migsafe.run.forecast.model import Band, Place, Sample, StepForecast

_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def forecast(
    plan: str = PLAN,
    *,
    database: str | None = DATABASE,
    direct_database: str | None = DIRECT,
    max_rows_per_second: float | None = RATE,
    limit: list[str] | None = LIMIT,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Try three batches of each backfill, roll them back, and predict duration, WAL and growth.

    Changes nothing. Before the plan is expanded, a copy of a few pages is changed in the place of the table.
    """
    import os

    from migsafe.run.connect import database_url
    from migsafe.run.forecast.forecast import forecast as try_out
    from migsafe.run.lost import database_errors
    from migsafe.run.settings import Settings

    dsn = database_url(database)
    found = find_plan(plan, dsn)
    settings = Settings(
        direct_dsn=direct_database or os.environ.get("MIGSAFE_DIRECT_DATABASE_URL"),
        max_rows_per_second=max_rows_per_second,
        pace=configured_pace(limit or ()),
    )
    with database_errors(dsn):
        steps = try_out(found, dsn, settings=settings)
    if output_format is OutputFormat.JSON:
        documents = [_document(step) for step in steps]
        print_json({"format_version": 1, "plan": found.name, "steps": documents})
        return
    if not steps:
        typer.echo(f"{found.name} has no backfill")
    typer.echo("\n\n".join("\n".join(_lines(step)) for step in steps), nl=bool(steps))


def _document(step: "StepForecast") -> dict[str, Any]:
    expected = step.expected
    return {
        "id": step.step,
        "title": step.title,
        "table": step.table,
        "measured": "in place" if step.in_place else "in a copy",
        "why_not": step.why_not,
        "method": step.method,
        "relations": step.relations,
        "pages": step.pages,
        "rows": round(expected.rows) if expected else None,
        "hot_share": round(expected.hot, 3) if expected else None,
        "seconds": _band(expected.seconds) if expected else None,
        "seconds_at_the_pace_of_now": _band(step.throttled_seconds),
        "wal_bytes": _band(expected.wal) if expected else None,
        "growth_bytes": _band(expected.growth) if expected else None,
        "pace": {
            "share": round(step.throttle.share, 3),
            "reasons": list(step.throttle.reasons),
            "max_rows_per_second": step.throttle.rows_per_second,
        },
        "batches": [_place(place) for place in step.places],
        "left_behind": {"dead_rows": step.left_dead, "bytes": step.left_bytes},
    }


def _band(band: "Band | None") -> dict[str, float] | None:
    if band is None:
        return None
    return {"p10": round(band.low, 3), "p50": round(band.middle, 3), "p90": round(band.high, 3)}


def _place(place: "Place") -> dict[str, Any]:
    copied = place.copied
    return {
        "relation": place.relation,
        "first_page": place.first,
        "last_page": place.end - 1,
        "rows": place.rows,
        "pending": place.pending,
        "read_seconds": round(place.read_seconds, 6),
        "in_place": _sample(place.changed),
        "copy_moved": _sample(copied.moved) if copied else None,
        "copy_stayed": _sample(copied.stayed) if copied else None,
    }


def _sample(sample: "Sample | None") -> dict[str, Any] | None:
    if sample is None:
        return None
    return {
        "rows": sample.rows,
        "seconds": round(sample.seconds, 6),
        "wal_bytes": round(sample.wal),
        "wal_page_images": sample.images,
        "hot_rows": sample.hot,
    }


def _lines(step: "StepForecast") -> list[str]:
    from migsafe.cli.render import duration

    lines = [step.title]
    if step.why_not:
        return [*lines, f"  not known: {step.why_not}", *_left(step)]
    lines.append(f"  {step.table}: {step.pages:,} pages; {step.method}")
    expected = step.expected
    if expected is None:
        return [*lines, "  no row to change was found at three places of it", *_left(step)]
    where = "in place" if step.in_place else "in a copy of them, for the table has not its new columns yet"
    tried = ", ".join(f"{place.first} to {place.end - 1}" for place in step.places)
    lines += [
        f"  tried {where}, and rolled back: pages {tried}",
        f"  rows      {expected.rows:,.0f} to change, {100 * expected.hot:.0f} % of them stay in their page",
        f"  duration  {_text(expected.seconds, duration)} at full pace",
    ]
    throttle, throttled = step.throttle, step.throttled_seconds
    if throttle.share <= 0:
        lines.append(f"            it would stand right now: {'; '.join(throttle.reasons)}")
    elif throttled is not None and throttled != expected.seconds:
        limit = throttle.rows_per_second
        why = [*throttle.reasons, *([f"at most {limit:g} rows/s"] if limit else [])]
        lines.append(f"            {_text(throttled, duration)} at the pace of now: {'; '.join(why)}")
    wal = _text(expected.wal, _size) if expected.wal else "not known: wal_level is minimal"
    return [*lines, f"  WAL       {wal}", f"  growth    {_text(expected.growth, _size)}", *_left(step)]


def _text(band: "Band", show: Any) -> str:
    return f"{show(band.middle)} ({show(band.low)} to {show(band.high)})"


def _size(size: float) -> str:
    for suffix, unit in _UNITS:
        if size >= unit:
            return f"{size / unit:.3g} {suffix}"
    return f"{size:.0f} B"


def _left(step: "StepForecast") -> list[str]:
    if not step.left_dead:
        return ["  left behind: nothing"]
    return [
        f"  left behind: {step.left_dead:,} dead row versions for vacuum, by which the table is "
        f"{_size(step.left_bytes)} longer"
    ]
