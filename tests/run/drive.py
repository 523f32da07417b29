"""Carries out the schema stages of a plan: `python drive.py PLAN_FILE DSN [RATE] [WORKERS]`.

The tests kill it. RATE is in rows per second, empty for none.
Prints `step NN ID` when a step begins, and the name of each stage as it is reached.
"""

import sys
from pathlib import Path

from migsafe.errors import Quarantined
from migsafe.plan.toml.file import load_plan
from migsafe.run.events import Event, StageReached, StepStarted
from migsafe.run.order import stages_of
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.run.waive import waive_rows


def main(plan_file: str, dsn: str, rate: str = "", workers: str = "1") -> None:
    plan = load_plan(Path(plan_file))
    positions = {step.id: number for number, step in enumerate(plan.steps)}

    def tell(event: Event) -> None:
        match event:
            case StageReached(stage=stage):
                print(f"stage {stage}", flush=True)  # noqa: T201 - read by the test
            case StepStarted(step=step):
                print(f"step {positions[step]:02} {step}", flush=True)  # noqa: T201 - the same
            case _:
                pass

    settings = Settings(max_rows_per_second=float(rate) if rate else None, workers=int(workers))
    with hold(plan, dsn, settings=settings, observer=tell) as runner:
        stages = stages_of(plan)
        for stage in stages[stages.index(runner.rollout().stage) + 1 :]:
            try:
                runner.advance(stage)
            except Quarantined:
                waive_rows(runner.session.conn, runner.rollout(), None, reason="the test says so")
                runner.advance(stage)


if __name__ == "__main__":
    main(*sys.argv[1:])
