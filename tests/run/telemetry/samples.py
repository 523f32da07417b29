"""One event of each kind."""

from datetime import UTC, datetime

from migsafe.plan.stages import Stage
from migsafe.run import events
from migsafe.run.events import Event, RolloutOpened, SignalRead

OPENED = RolloutOpened(
    rollout="rename",
    rollout_id=7,
    role="runner",
    stage=Stage.PLANNED,
    stages=(Stage.PLANNED, Stage.EXPANDED, Stage.BACKFILLED, Stage.DROPPED),
    database="shop",
    server_address="db.internal",
    server_port=5432,
)
LAG = SignalRead(name="replica-lag", value=3.5, soft=5.0, hard=10.0, verdict="go")
PACE = events.PaceRead(
    share=0.5,
    waiting_for="replica-lag is 12s",
    batch_seconds=0.25,
    max_rows_per_second=None,
    signals=(LAG,),
    throttled_seconds={"replica-lag": 2.5},
)
BLOCKED = events.BlockedSoFar(seconds=1.5, longest_seconds=0.5, waits=3, gave_way=1, budget_seconds=0.5)
BATCH = events.BatchDone(step="fill", relation="public.users", rows=100, seconds=0.02)
HALF = events.Progress(step="fill", fraction=0.5, rows=1000, rows_per_second=500.0, eta_seconds=2.0)
SECRET = "the value of a row"  # noqa: S105
QUARANTINED = events.RowQuarantined(step="fill", relation="public.users", key="id=7", error=SECRET)
FAILED = events.RunFailed(
    command="run", error="Quarantined", message=SECRET, advice="waive it", exit_code=2, seconds=2.0
)
ENDED = events.RunEnded(
    command="run",
    stage=Stage.DROPPED,
    state="done",
    green_percent=100,
    ok=True,
    reason="",
    seconds=3.0,
    rows=100,
    throttled_seconds=2.5,
    blocked_seconds=1.5,
)
AT = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)

ALL: tuple[Event, ...] = (
    OPENED,
    events.StepStarted(step="fill", title="Fill it", resumed=False),
    events.TableMeasured(step="fill", relation="public.users", rows_estimated=2000, size_bytes=81920),
    events.MethodChosen(step="fill", relation="public.users", method="pages", text="public.users: pages"),
    BATCH,
    HALF,
    PACE,
    events.PaceChanged(share=0.5, reason="replica-lag is 7s"),
    events.Waiting(reason="on hold: replica-lag is 12s"),
    events.LockRetry(step="fill", attempt=1, attempts=40, wait_seconds=0.1, blockers=(SECRET,)),
    events.InTheWay(step="fill", blockers=(SECRET,)),
    events.SessionEnded(session="pid 7", done=True),
    events.GaveWay(waiters=(SECRET,), seconds=0.5, total_seconds=1.5),
    BLOCKED,
    QUARANTINED,
    events.TrafficMoved(green_percent=5, seconds=0.1),
    events.GateRead(gate="errors", verdict="pass", reading=SECRET),
    events.PointPassed(kind="data", at=AT, text="the data point of no return is passed"),
    events.Notice(text=SECRET),
    events.StepFinished(step="fill", seconds=2.0, rows=2000),
    events.StageReached(stage=Stage.BACKFILLED, seconds=2.5),
    ENDED,
    FAILED,
)
