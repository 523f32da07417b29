"""The proof under load fails where it must: each of these plans does one thing that no plan may do."""

from dataclasses import replace

import pytest

from migsafe.plan.model import DdlStep, Plan
from migsafe.plan.stages import Stage, Version
from migsafe.postgres.server import Server
from migsafe.run.settings import Settings

from .cases import load_cases
from .load.deeds import Deed, Story, Wrong
from .load.dump import difference, schema_of
from .load.expected import Expected
from .load.place import Place, place_of, plan_of
from .load.trial import LONGEST_BLOCK_SECONDS, SETTINGS, Trial
from .load.watch import waits_for

CASES = load_cases()
RENAME = CASES["columns/rename"]
INDEX = CASES["indexes/create"]


DROP_SYNC = """DO $$ DECLARE each name; BEGIN
    FOR each IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND tgname ~ 'migsafe' LOOP
        EXECUTE format('DROP TRIGGER %I ON orders', each);
    END LOOP;
END $$"""


def with_step(plan: Plan, *sql: str, stage: Stage = Stage.VERIFIED, patient: bool = False) -> Plan:
    bad = DdlStep(id="bad", stage=stage, title="What must not be done", sql=sql, patient=patient)
    return replace(plan, steps=(*plan.steps, bad))


def run(
    place: Place,
    plan: Plan,
    *,
    case_name: str = "indexes/create",
    settings: Settings = SETTINGS,
    to: Stage | None = None,
) -> Trial:
    case = CASES[case_name]
    with Expected(case, place.untouched) as expected:
        trial = Trial(case, plan, place.rollout, expected, rest=0.2, settings=settings)
        trial.forward(to or trial.stages[-1])
    return trial


def test_a_write_that_is_undone_behind_its_author_is_found(server: Server) -> None:
    with place_of(server, INDEX) as place:
        lost = "UPDATE orders SET note = 'gone' WHERE id % 5 = 1"
        failures = list(run(place, with_step(plan_of(INDEX, place), lost)).recorder.failures())
    assert any("blue wrote" in failure and "gone" in failure for failure in failures)


def test_a_statement_that_fails_is_found(server: Server) -> None:
    with place_of(server, INDEX) as place:
        refused = "ALTER TABLE orders ADD CHECK (total < 5) NOT VALID"
        failures = list(run(place, with_step(plan_of(INDEX, place), refused)).recorder.failures())
    assert any("violates check constraint" in failure for failure in failures)


def test_a_long_lock_is_found(server: Server) -> None:
    with place_of(server, INDEX) as place:
        long = ("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", "SELECT pg_sleep(1.2)")
        unguarded = replace(SETTINGS, blocked_budget=60.0)  # else it would be cancelled in time
        trial = run(place, with_step(plan_of(INDEX, place), *long, patient=True), settings=unguarded)
    assert trial.recorder.by_stage[Stage.VERIFIED].blocked > LONGEST_BLOCK_SECONDS


def test_another_schema_at_the_end_is_found(server: Server) -> None:
    with place_of(server, INDEX) as place:
        more = ("COMMENT ON TABLE orders IS 'left behind'", "ALTER TABLE orders SET (fillfactor = 70)")
        run(place, with_step(plan_of(INDEX, place), *more))
        found = difference(schema_of(server, place.rollout), schema_of(server, place.naive))
    assert "left behind" in found
    assert "fillfactor" in found


def test_prepared_statements_that_no_warning_names_are_found(server: Server) -> None:
    with place_of(server, RENAME) as place:
        silent = replace(plan_of(RENAME, place), warnings=())
        failures = list(run(place, silent, case_name="columns/rename").recorder.failures())
    assert any("cached plan" in failure for failure in failures)


def test_shapes_that_are_not_kept_equal_any_more_are_found(server: Server) -> None:
    with place_of(server, RENAME) as place:
        plan = with_step(plan_of(RENAME, place), DROP_SYNC)
        trial = run(place, plan, case_name="columns/rename", to=Stage.FENCED)  # migsafe itself stops there
    assert any("different rows" in failure for failure in trial.recorder.failures())


def test_a_story_ends_where_the_versions_see_different_rows(server: Server) -> None:
    deed = Deed(moment=0, version=Version.BLUE, write=0, row=0, number=0)
    with place_of(server, RENAME) as place, Expected(RENAME, place.untouched) as expected:
        plan = with_step(plan_of(RENAME, place), DROP_SYNC)
        deeds = [replace(deed, moment=moment) for moment in range(20)]
        story = Story(case=RENAME, plan=plan, dsn=place.rollout, expected=expected, deeds=deeds)
        with pytest.raises(Wrong, match="different rows"):
            story.tell(Stage.FENCED)


def test_who_waits_behind_somebody_who_waits_for_us_waits_for_us() -> None:
    assert waits_for({9}, 1, {1: [2], 2: [3], 3: [9]})
    assert not waits_for({9}, 1, {1: [2], 2: [1]})
