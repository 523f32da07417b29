"""What a demo found out, and whether everything held."""

from dataclasses import dataclass, field

from migsafe.demo.blocked import Blocked
from migsafe.demo.instep import Step
from migsafe.demo.tally import Report
from migsafe.plan.stages import Stage, Version

FORMAT_VERSION = 1


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Everything that was seen, filled in while the demo runs. Times in seconds unless the name says ms."""

    rows: int
    least_requests: int
    break_canary: bool = False
    stage: Stage = Stage.PLANNED
    green_percent: int = 0
    stages: list[tuple[Stage, float]] = field(default_factory=list)
    looks: list[Step] = field(default_factory=list)
    load: Report = field(default_factory=Report)
    failed_after_retreat: int = 0
    green_after_retreat: int = 0
    retreat_reason: str = ""
    error: str = ""
    backfilled_rows: int = 0
    backfill_seconds: float = 0.0
    longest_block: Blocked | None = None
    block_samples: int = 0
    block_error: str | None = None
    slowest_statement_ms: dict[Version, float] = field(default_factory=dict)
    wrong_rows: int | None = None
    seconds: float = 0.0
    directory: str | None = None  # when it is to be kept

    @property
    def rows_per_second(self) -> float:
        """The speed of the backfill."""
        return self.backfilled_rows / self.backfill_seconds if self.backfill_seconds else 0.0


def problems_of(outcome: Outcome) -> list[str]:
    """What did not hold, as sentences; nothing when the demo kept its promises."""
    found = [*_general_problems(outcome)]
    found += _canary_problems(outcome) if outcome.break_canary else _tour_problems(outcome)
    return found


def _general_problems(outcome: Outcome) -> list[str]:
    load, found = outcome.load, [outcome.error] if outcome.error else []
    if load.requests < outcome.least_requests:
        found.append(f"only {load.requests:,} requests were made; {outcome.least_requests:,} were promised")
    if outcome.wrong_rows is None:
        found.append("the rows were not compared at the end")
    elif outcome.wrong_rows:
        found.append(f"{outcome.wrong_rows:,} rows do not say what was written last")
    filled = False
    for look in outcome.looks:
        filled = filled or look.when == Stage.BACKFILLED
        if look.different or (filled and look.pending):
            count = look.different + (look.pending if filled else 0)
            found.append(f"at '{look.when}', {count:,} rows differed between {' and '.join(look.columns)}")
    if outcome.block_error or not outcome.block_samples:
        found.append(f"waiting for locks was not watched: {outcome.block_error or 'no samples'}")
    return found


def _tour_problems(outcome: Outcome) -> list[str]:
    found = []
    if outcome.load.failed:
        found.append(f"{outcome.load.failed:,} requests failed, e.g. {'; '.join(outcome.load.examples[:3])}")
    if outcome.stage is not Stage.DROPPED:
        found.append(f"the rollout ended in stage '{outcome.stage}', not in 'dropped'")
    if outcome.green_percent != 100:
        found.append(f"green has {outcome.green_percent} % of the traffic, not 100 %")
    if not outcome.load.crossed:
        found.append("no version was seen to read what the other wrote")
    if not {stage.value for stage, _ in outcome.stages} <= {look.when for look in outcome.looks}:
        found.append("the columns were not compared at every stage")
    return found


def _canary_problems(outcome: Outcome) -> list[str]:
    found, load = [], outcome.load
    others = load.failed - load.failed_by_version.get(Version.GREEN, 0)
    if others:
        found.append(f"{others:,} requests failed that green did not answer: {'; '.join(load.examples[:3])}")
    if not outcome.retreat_reason:
        found.append("no gate stopped the broken version")
    if outcome.green_percent != 0:
        found.append(f"green still has {outcome.green_percent} % of the traffic")
    if outcome.failed_after_retreat:
        found.append(f"{outcome.failed_after_retreat:,} requests failed after the retreat")
    if outcome.green_after_retreat:
        found.append(f"green answered {outcome.green_after_retreat:,} requests after the retreat")
    if outcome.stage not in {Stage.VERIFIED, Stage.DARK, Stage.CANARY}:
        found.append(f"the schema is in stage '{outcome.stage}', not as it was when the canary began")
    if not outcome.looks or len(outcome.looks[-1].columns) != 2:
        found.append("the two columns are not both there any more")
    return found


def to_json(outcome: Outcome, problems: list[str]) -> dict[str, object]:
    """The result for programs; fields are only ever added within a format version."""
    load, block = outcome.load, outcome.longest_block
    return {
        "format_version": FORMAT_VERSION,
        "passed": not problems,
        "problems": problems,
        "break": "canary" if outcome.break_canary else None,
        "stage": outcome.stage.value,
        "green_percent": outcome.green_percent,
        "retreat_reason": outcome.retreat_reason or None,
        "rows": outcome.rows,
        "wrong_rows": outcome.wrong_rows,
        "requests": {
            "total": load.requests,
            "failed": load.failed,
            "failed_after_retreat": outcome.failed_after_retreat,
            "by_version": dict(load.by_version),
            "failed_by_version": dict(load.failed_by_version),
            "cross_version_reads": load.crossed,
            "inserted": load.inserted,
            "latency_ms": {"p50": load.p50_ms, "p99": load.p99_ms, "max": load.max_ms},
            "failures": list(load.examples),
        },
        "backfill": {
            "rows": outcome.backfilled_rows,
            "seconds": round(outcome.backfill_seconds, 3),
            "rows_per_second": round(outcome.rows_per_second),
        },
        "blocked": {
            "longest_ms": block.milliseconds if block else 0.0,
            "application": block.application if block else None,
            "during": block.stage if block else None,
            "samples": outcome.block_samples,
            "slowest_statement_ms": {
                version.value: round(ms, 2) for version, ms in outcome.slowest_statement_ms.items()
            },
        },
        "columns": [
            {
                "at": look.when,
                "columns": list(look.columns),
                "rows": look.rows,
                "different": look.different,
                "pending": look.pending,
            }
            for look in outcome.looks
        ],
        "stages": [{"stage": stage.value, "seconds": round(seconds, 3)} for stage, seconds in outcome.stages],
        "seconds": round(outcome.seconds, 1),
        "directory": outcome.directory,
    }
