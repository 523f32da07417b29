"""Every rollout is zero-downtime: both versions of an application work through the whole of it.

The sample of `make test` goes once through a plan of each family, on the newest server; `make proof` also
goes back from every stage of every plan, on the oldest and the newest server, and holds every wait against
the deadline. MIGSAFE_PROOF=sample does that with one plan of each family.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from migsafe.plan.stages import TRAFFIC_STAGES, Stage
from migsafe.postgres.server import Server

from .cases import Case, is_taken_back, load_cases, one_of_each_family, to_prove
from .conftest import require_server
from .load.dump import difference, schema_of
from .load.expected import Expected
from .load.figures import together
from .load.place import Place, place_of, plan_of
from .load.trial import CALM, LONGEST_BLOCK_SECONDS, REVERT, Trial

CASES = load_cases()
PROOF_REST = 0.25  # seconds in each stage
SAMPLE_REST = 0.05


@contextmanager
def trial_of(server: Server, case: Case, rest: float) -> Iterator[tuple[Place, Trial]]:
    require_server(case, server)
    with place_of(server, case) as place, Expected(case, place.untouched) as expected:
        yield place, Trial(case, plan_of(case, place), place.rollout, expected, rest=rest)


@pytest.mark.parametrize("name", CASES)
def test_a_case_says_what_both_versions_do(name: str) -> None:
    for version in (CASES[name].blue, CASES[name].green):
        assert version.reads, "no reads"
        assert version.writes, "no writes"


@pytest.mark.parametrize("name", one_of_each_family(CASES))
def test_both_versions_work_through_the_whole_plan(server: Server, name: str) -> None:
    case = CASES[name]
    with trial_of(server, case, SAMPLE_REST) as (place, trial):
        trial.forward(trial.stages[-1])
        require_clean(trial, place)


@pytest.mark.proof
@pytest.mark.parametrize("name", to_prove(CASES))
def test_nobody_waits_and_nothing_is_lost_there_and_back(
    proven_server: Server, name: str, proof_row: Callable[[str], None]
) -> None:
    case = CASES[name]
    with trial_of(proven_server, case, PROOF_REST) as (place, trial):
        before = schema_of(proven_server, place.rollout)
        try:
            for furthest in trial.turning_points():
                trial.there_and_back(furthest)
                after = schema_of(proven_server, place.rollout)
                wrong = difference(before, after) if is_taken_back(trial.plan) else ""
                assert not wrong, f"after a revert from {furthest}:\n{wrong}"
            trial.forward(trial.stages[-1])
        finally:
            proof_row(heading(proven_server))
            proof_row(row(case, proven_server, trial))
        require_clean(trial, place)
        require_short_waits(trial)


def require_clean(trial: Trial, place: Place) -> None:
    """Nothing failed, and the schema is the one that the migration alone would have left."""
    failures = "\n".join(trial.recorder.failures())
    assert not failures, failures
    wrong = difference(schema_of(place.server, place.naive), schema_of(place.server, place.rollout))
    assert not wrong, f"missing and too much:\n{wrong}"


def require_short_waits(trial: Trial) -> None:
    """No statement waited for us longer than it may, nor did it take that much longer than on a calm day.

    Calm are the stages in which we do nothing: how slow this machine is by itself shows there.
    """
    by_stage = trial.recorder.by_stage
    calm = max(by_stage[stage].slowest for stage in (CALM, *TRAFFIC_STAGES) if stage in by_stage)
    for stage, figures in by_stage.items():
        assert figures.blocked <= LONGEST_BLOCK_SECONDS, f"{stage}: {figures.blocked_in}"
        assert figures.slowest <= calm + LONGEST_BLOCK_SECONDS, f"{stage}: a statement took that long"


# The stages in which only traffic moves share a column.
COLUMNS = {
    "calm": (CALM,),
    "expanded": (Stage.EXPANDED,),
    "backfilled": (Stage.BACKFILLED,),
    "verified": (Stage.VERIFIED,),
    "traffic": TRAFFIC_STAGES,
    "tombstoned": (Stage.TOMBSTONED,),
    "dropped": (Stage.DROPPED,),
    "reverts": (REVERT,),
}
_WIDTH = 13


def heading(server: Server) -> str:
    titles = "".join(f" {title:>{_WIDTH}}" for title in COLUMNS)
    return f"load {server.binaries.major} {'(failed, longest block in ms, rows)':<42}{titles}"


def row(case: Case, server: Server, trial: Trial) -> str:
    cells = []
    for stages in COLUMNS.values():
        parts = [trial.recorder.by_stage[stage] for stage in stages if stage in trial.recorder.by_stage]
        cells.append(f" {together(parts).cell() if parts else '-':>{_WIDTH}}")
    return f"load {server.binaries.major} {case.name:<42}{''.join(cells)}"
