"""Carries out the schema stages of a plan: `drive.py PLAN_FILE DSN [ROWS_PER_SECOND]`. The tests kill it.

Prints `step NN ID` when a step begins, and the name of each stage as it is reached.
"""

import sys
from pathlib import Path

from migsafe.plan.toml.file import load_plan
from migsafe.run.events import Event, StageReached, StepStarted
from migsafe.run.order import stages_of
from migsafe.run.runner import hold
from migsafe.run.settings import Settings


def main(plan_file: str, dsn: str, rate: str | None = None) -> None:
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

    settings = Settings(max_rows_per_second=float(rate) if rate else None)
    with hold(plan, dsn, settings=settings, observer=tell) as runner:
        stages = stages_of(plan)
        for stage in stages[stages.index(runner.rollout().stage) + 1 :]:
            runner.advance(stage)


if __name__ == "__main__":
    main(*sys.argv[1:])
