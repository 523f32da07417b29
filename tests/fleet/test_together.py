"""Going forward and back together: what a fleet refuses, for one application that uses all databases."""

import json
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.errors import StateRefused
from migsafe.fleet.model import Application, Database
from migsafe.fleet.reading import Reading
from migsafe.fleet.together import allowed, require_contract, require_no_traffic, require_way_back
from migsafe.plan.model import Contract, Traffic
from migsafe.plan.stages import SCHEMA_STAGES, Stage, Version
from migsafe.run.ledger.model import State
from tests.fleet.conftest import NAME, Shards
from tests.run.plans import rename_plan

# Many processes, one after the other: on a busy machine they take their time.
pytestmark = pytest.mark.timeout(900)

PLAN = rename_plan()
STAGES = (Stage.PLANNED, *SCHEMA_STAGES)


def at(*stages: Stage, **values: object) -> tuple[Reading, ...]:
    return tuple(
        Reading(
            database=Database(name=f"s{n}", dsn=""),
            stage=stage,
            begun=stage is not Stage.PLANNED,
            state=State.WAITING,
            fingerprint="x",
            **values,  # type: ignore[arg-type]  # of the test
        )
        for n, stage in enumerate(stages)
    )


# --- contract ---


@given(
    st.lists(st.sampled_from(STAGES), min_size=1, max_size=5),
    st.sampled_from([Stage.TOMBSTONED, Stage.DROPPED]),
)
def test_contract_is_allowed_only_where_the_new_version_works_everywhere(
    stages: list[Stage], target: Stage
) -> None:
    fleet = at(*stages)
    try:
        require_contract(PLAN, fleet, fleet[:1], target, Application.ONE)
    except StateRefused:
        return
    assert Version.GREEN in allowed(PLAN, stages)
    if target is Stage.DROPPED:
        assert all(stage.position >= Stage.TOMBSTONED.position for stage in stages)


def test_only_does_not_help_one_application_but_one_of_its_own_does() -> None:
    fleet = at(Stage.VERIFIED, Stage.BACKFILLED)
    with pytest.raises(
        StateRefused, match=r"1 of 2 databases have not reached 'verified': s1 \(backfilled\)"
    ):
        require_contract(PLAN, fleet, fleet[:1], Stage.TOMBSTONED, Application.ONE)
    require_contract(PLAN, fleet, fleet[:1], Stage.TOMBSTONED, Application.EACH)
    with pytest.raises(StateRefused, match="s1"):
        require_contract(PLAN, fleet, fleet, Stage.TOMBSTONED, Application.EACH)


def test_contract_needs_every_answer_one_plan_and_no_session_of_the_old_version() -> None:
    away = at(Stage.VERIFIED, Stage.VERIFIED, problem="cannot connect")
    with pytest.raises(StateRefused, match="nobody knows where s0, s1 stands"):
        require_contract(PLAN, away, away, Stage.TOMBSTONED, Application.ONE)
    two = at(Stage.VERIFIED, Stage.VERIFIED)
    mixed = (two[0], replace(two[1], fingerprint="y"))
    with pytest.raises(StateRefused, match="not all databases have the same plan"):
        require_contract(PLAN, mixed, mixed, Stage.TOMBSTONED, Application.ONE)
    named = replace(PLAN, contract=Contract(blue_application_name="shop-blue"))
    served = (two[0], replace(two[1], blue_sessions=3))
    with pytest.raises(StateRefused, match=r"sessions of 'shop-blue' in s1 \(3\)"):
        require_contract(named, served, served[:1], Stage.TOMBSTONED, Application.ONE)


def test_a_plan_that_moves_traffic_is_refused() -> None:
    with pytest.raises(StateRefused, match="would reach databases that are not ready"):
        require_no_traffic(replace(PLAN, traffic=Traffic(provider="envoy")))


# --- back ---


@given(st.lists(st.sampled_from(STAGES), min_size=1, max_size=5), st.integers(1, 5))
def test_a_way_back_always_leaves_a_version_that_works_on_all(stages: list[Stage], count: int) -> None:
    fleet = at(*stages)
    try:
        require_way_back(PLAN, fleet, fleet[:count], Application.ONE, new_version_gone=True)
    except StateRefused:
        return
    after = [Stage.PLANNED if n < count else stage for n, stage in enumerate(stages)]
    assert allowed(PLAN, after)


def test_going_back_asks_about_the_new_version_and_not_after_the_drop() -> None:
    fleet = at(Stage.VERIFIED, Stage.EXPANDED)
    with pytest.raises(StateRefused, match="the new version may be in service"):
        require_way_back(PLAN, fleet, fleet, Application.ONE, new_version_gone=False)
    require_way_back(PLAN, fleet, fleet[1:], Application.ONE, new_version_gone=False)
    dropped = at(Stage.DROPPED, Stage.VERIFIED)
    with pytest.raises(StateRefused, match="no way back from 'dropped': s0"):
        require_way_back(PLAN, dropped, dropped, Application.EACH, new_version_gone=True)


# --- on a server ---


@pytest.mark.proof
def test_all_the_way_forward_and_back_with_one_application(make_shards: Callable[[int], Shards]) -> None:
    shards = make_shards(3)
    gone = "--old-version-gone"
    assert shards.fleet("run", "--only", "a,b", "--waves", "rest").returncode == 0
    early = shards.fleet("contract", gone, "--only", "a")
    assert early.returncode == 2
    assert "1 of 3 databases have not reached 'verified': c (planned)" in early.stderr
    assert shards.fleet("run").returncode == 0

    unproven = shards.fleet("contract")
    assert unproven.returncode == 2
    assert "nothing proves that the old version is gone" in unproven.stdout
    first = shards.fleet("contract", gone, "--only", "a")
    assert first.returncode == 0, first.stdout + first.stderr
    shown = shards.fleet("status", plan=NAME)
    assert "on all of these databases works: the new version\n" in shown.stdout

    drop = shards.fleet("contract", gone, "--drop", "--only", "a")
    assert (drop.returncode, "too early to drop" in drop.stderr) == (2, True)
    alone = shards.fleet("revert", "--new-version-gone", "--only", "b")
    assert alone.returncode == 2
    assert "no version would be left that works on all" in alone.stderr

    rest = shards.fleet("contract", gone, "--format", "json")
    document = json.loads(rest.stdout)
    assert {each["database"]: each["result"] for each in document["databases"]} == {
        "a": "was_done",
        "b": "done",
        "c": "done",
    }
    undone = shards.fleet("undo", "--only", "c")
    assert "c  waiting, stage 'verified'" in undone.stdout
    unsaid = shards.fleet("revert")
    assert (unsaid.returncode, "--new-version-gone" in unsaid.stderr) == (2, True)
    back = shards.fleet("revert", "--new-version-gone")
    assert back.returncode == 0, back.stdout + back.stderr
    assert "revert: 3 done, 0 left alone, 0 failed" in back.stdout
    for name in "abc":
        assert shards.columns(name) == {"id", "name"}
        with psycopg.connect(shards.dsn(name)) as conn:
            found = conn.execute(
                "SELECT event FROM migsafe.audit WHERE event = 'fleet asked to stop'"
            ).fetchall()
        assert len(found) == 1


@pytest.mark.proof
def test_set_and_cancel_reach_those_that_have_begun(make_shards: Callable[[int], Shards]) -> None:
    shards = make_shards(2)
    assert shards.fleet("run", "--only", "a", "--to", "backfilled").returncode == 0
    changed = shards.fleet("set", "max-rows-per-second", "500")
    assert changed.returncode == 0, changed.stderr
    assert "set: 1 done, 1 left alone, 0 failed" in changed.stdout
    wrong = shards.fleet("set", "max-rows-per-secund", "500")
    assert wrong.returncode == 2
    assert "did you mean" in wrong.stdout
    given_up = shards.fleet("cancel", "--reason", "not today", "--format", "json")
    assert given_up.returncode == 0, given_up.stderr
    found = {each["database"]: each for each in json.loads(given_up.stdout)["databases"]}
    assert found["a"]["state"] == "reverted"
    assert found["b"]["skipped"] == "not begun here"
    assert shards.columns("a") == {"id", "name"}
