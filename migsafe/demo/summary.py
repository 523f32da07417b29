"""The table at the end of the demo."""

from collections.abc import Iterator

from migsafe.demo.blocked import INTERVAL_SECONDS
from migsafe.demo.outcome import Outcome
from migsafe.plan.stages import Version


def summary_rows(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """What was measured, as pairs of label and value."""
    load = outcome.load
    answered = ", ".join(f"{version} {count:,}" for version, count in sorted(load.by_version.items()))
    yield "requests", f"{load.requests:,} ({answered})"
    yield "failed requests", _failed(outcome)
    yield "latency", f"p50 {load.p50_ms:.1f} ms, p99 {load.p99_ms:.1f} ms, max {load.max_ms:.1f} ms"
    yield "read across versions", f"{load.crossed:,} reads saw what the other version wrote"
    yield (
        "rows backfilled",
        f"{outcome.backfilled_rows:,} in {outcome.backfill_seconds:.1f} s ({outcome.rows_per_second:,.0f}/s)",
    )
    yield "longest block", _blocked(outcome)
    slowest = ", ".join(f"{version} {ms:.1f} ms" for version, ms in outcome.slowest_statement_ms.items())
    yield "slowest statement", slowest or "not known"
    looks = outcome.looks
    held = sum(1 for look in looks if not look.different)
    yield "columns in step", f"at {held} of {len(looks)} looks"
    wrong = "not compared" if outcome.wrong_rows is None else f"{outcome.wrong_rows:,}"
    yield "wrong rows at the end", wrong
    yield "traffic at the end", f"{100 - outcome.green_percent} % blue, {outcome.green_percent} % green"
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in outcome.stages)
    yield "seconds to each stage", stages
    yield "total time", f"{outcome.seconds:.1f} s"


def _failed(outcome: Outcome) -> str:
    load = outcome.load
    if not load.failed:
        return "0"
    by = ", ".join(f"{version} {count:,}" for version, count in sorted(load.failed_by_version.items()))
    after = f"; {outcome.failed_after_retreat:,} after the retreat" if outcome.break_canary else ""
    only_green = set(load.failed_by_version) == {Version.GREEN.value}
    note = ", all answered by the broken green while it had its share" if only_green else ""
    return f"{load.failed:,} ({by}{note}{after})"


def _blocked(outcome: Outcome) -> str:
    block = outcome.longest_block
    watched = f"watched every {INTERVAL_SECONDS * 1000:.0f} ms, {outcome.block_samples:,} times"
    if block is None:
        return f"no statement of the application was seen waiting for a lock ({watched})"
    return f"{block.milliseconds:.1f} ms, {block.application}, during: {block.stage} ({watched})"
