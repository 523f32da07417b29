"""Somebody else drops, renames or disables what a rollout needs while it runs."""

import pytest

from migsafe.errors import StateRefused
from migsafe.plan.stages import Stage
from migsafe.run.events import Notice
from tests.run.faults.trial import ROWS, Trial, batch, begins, reached

TRIGGERS = """
DROP TRIGGER zzz_migsafe_11457fbf_insert ON orders;
DROP TRIGGER zzz_migsafe_11457fbf_update ON orders;
"""


def make_triggers_again(trial: Trial) -> None:
    """As the error says: by the statements of the plan."""
    step = trial.plan.steps[0]
    for statement in step.sql[1:]:  # type: ignore[attr-defined]  # a DDL step: column, function, triggers
        trial.other.execute(statement)


@pytest.mark.proof
def test_a_table_that_is_dropped_before_anything_began_leaves_nothing(trial: Trial) -> None:
    error = trial.fails(when=begins("expand.add_and_sync"), do="DROP TABLE orders")
    assert 'relation "public.orders" does not exist' in error.message
    trial.require_told("does not exist")
    trial.revert()
    assert trial.shape() == []


@pytest.mark.parametrize(
    "where",
    ["backfill", *(pytest.param(late, marks=pytest.mark.proof) for late in ("verification", "after it"))],
)
def test_a_table_that_is_dropped_stops_the_rollout_and_what_is_left_can_be_taken_back(
    trial: Trial, where: str
) -> None:
    when = {"backfill": batch(3), "verification": begins("verify.rows"), "after it": reached(Stage.VERIFIED)}
    if where == "after it":
        trial.run(when=when[where], do="DROP TABLE orders")
        error = trial.fails(Stage.TOMBSTONED)
    else:
        error = trial.fails(when=when[where], do="DROP TABLE orders")
    trial.require_told(error.message)
    trial.revert()
    assert trial.one("SELECT stage, state FROM migsafe.rollout") == ("planned", "reverted")
    assert trial.shape() == []
    assert any(
        isinstance(event, Notice) and "was dropped by somebody" in event.text for event in trial.events
    )


@pytest.mark.proof
def test_a_table_that_is_renamed_stops_the_rollout_until_it_has_its_name_back(trial: Trial) -> None:
    error = trial.fails(when=batch(3), do="ALTER TABLE orders RENAME TO purchases")
    assert "public.orders does not exist" in error.message
    with pytest.raises(Exception, match="on table purchases depends on") as refused:
        trial.revert()
    assert "revert" in str(refused.value)
    trial.other.execute("ALTER TABLE purchases RENAME TO orders")
    trial.run()
    trial.require_right()


@pytest.mark.parametrize("how", [TRIGGERS, "DROP FUNCTION migsafe.sync_orders_11457fbf CASCADE"])
def test_triggers_that_are_dropped_in_a_backfill_stop_it_before_it_counts_as_done(
    trial: Trial, how: str
) -> None:
    error = trial.fails(when=batch(3), do=f"{how}; UPDATE orders SET note = 'unseen' WHERE id = 1")
    assert isinstance(error, StateRefused)
    assert "zzz_migsafe_11457fbf_insert of public.orders is gone" in error.message
    assert "in 'Add remark and the triggers that keep it equal to note'" in error.advice
    trial.require_told("is gone")
    make_triggers_again(trial)
    trial.run()
    assert trial.one("SELECT stage, remark FROM migsafe.rollout, orders WHERE orders.id = 1") == (
        "verified",
        "unseen",
    )
    assert trial.one("SELECT bool_and(remark = note) FROM orders") == (True,)


def test_triggers_that_are_disabled_stop_a_contract_that_would_lose_what_was_written_since(
    trial: Trial,
) -> None:
    trial.run()
    trial.other.execute("ALTER TABLE orders DISABLE TRIGGER USER")
    trial.other.execute("UPDATE orders SET note = 'unseen' WHERE id = 1")
    error = trial.fails(Stage.DROPPED)
    assert "zzz_migsafe_11457fbf_update of orders is disabled" in error.message
    assert 'ALTER TABLE orders ENABLE ALWAYS TRIGGER "zzz_migsafe_11457fbf_update";' in error.advice
    with pytest.raises(StateRefused, match="going back would lose it"):
        trial.revert()
    for line in error.advice.splitlines():
        if line.startswith("ALTER TABLE"):
            trial.other.execute(line.encode())
    trial.other.execute("UPDATE orders SET note = 'note 1' WHERE id = 1")
    trial.require_contracted()


def test_triggers_that_are_gone_while_only_the_old_version_writes_do_not_hold_up_a_revert(
    trial: Trial,
) -> None:
    trial.fails(when=batch(3), do=TRIGGERS)
    trial.revert()
    trial.require_taken_back()


@pytest.mark.proof
def test_a_new_column_that_is_dropped_stops_the_backfill_and_all_can_be_taken_back(trial: Trial) -> None:
    error = trial.fails(when=batch(3), do="ALTER TABLE orders DROP COLUMN remark CASCADE")
    assert 'column "remark" does not exist' in error.message or "is gone" in error.message
    trial.require_told(error.message)
    trial.revert()
    trial.require_taken_back()


@pytest.mark.proof
def test_an_old_column_that_is_dropped_never_takes_its_values_along(trial: Trial) -> None:
    """The new column is the only copy then, and going back would drop it."""
    trial.run()
    trial.other.execute("ALTER TABLE orders DROP COLUMN note CASCADE")
    assert trial.fails(Stage.TOMBSTONED).advice
    with pytest.raises(StateRefused):
        trial.revert()
    assert trial.one("SELECT count(*) FROM orders WHERE remark = 'note ' || id") == (ROWS,)


def test_an_old_column_that_is_dropped_in_the_backfill_never_takes_its_values_along(trial: Trial) -> None:
    trial.fails(when=batch(3), do="ALTER TABLE orders DROP COLUMN note CASCADE")
    before = trial.one("SELECT count(remark) FROM orders")
    with pytest.raises(StateRefused, match=r"the old column note of public\.orders is not there any more"):
        trial.revert()
    assert trial.one("SELECT count(remark) FROM orders") == before
    assert before > (0,)


def test_an_old_column_that_is_renamed_is_asked_for(trial: Trial) -> None:
    error = trial.fails(when=batch(3), do="ALTER TABLE orders RENAME COLUMN note TO comment")
    assert 'column "note" does not exist' in error.message
    with pytest.raises(StateRefused, match="somebody dropped or renamed it"):
        trial.revert()
    trial.other.execute("ALTER TABLE orders RENAME COLUMN comment TO note")
    trial.run()
    trial.require_right()


@pytest.mark.proof
def test_the_type_of_a_column_that_is_kept_in_step_cannot_be_changed_by_others(trial: Trial) -> None:
    """PostgreSQL itself sees to that: the triggers depend on it."""
    said: list[str] = []

    def change() -> None:
        try:
            trial.other.execute("ALTER TABLE orders ALTER note TYPE varchar(3) USING left(note, 3)")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is shown
            said.append(str(error))

    trial.run(when=batch(3), do=change)
    assert "cannot alter type of a column used in a trigger definition" in said[0]
    trial.require_verified()


@pytest.mark.proof
def test_an_index_that_is_dropped_is_missed_by_name_and_the_run_goes_on_when_it_is_there_again(
    trial: Trial,
) -> None:
    trial.run()
    trial.other.execute("DROP INDEX migsafe_orders_note_11457fbf")
    error = trial.fails(Stage.DROPPED)
    assert "migsafe_orders_note_11457fbf" in error.message
    assert trial.one("SELECT stage FROM migsafe.rollout") == ("tombstoned",)
    trial.other.execute("CREATE INDEX CONCURRENTLY migsafe_orders_note_11457fbf ON orders (remark)")
    trial.require_contracted()


@pytest.mark.proof
def test_a_constraint_that_is_dropped_before_it_is_proven_is_named(trial: Trial) -> None:
    drop = "ALTER TABLE orders DROP CONSTRAINT migsafe_orders_note_not_null_11457fbf"
    error = trial.fails(when=begins("verify.orders_note_not_null.validate"), do=drop)
    assert (
        'constraint "migsafe_orders_note_not_null_11457fbf" of relation "orders" does not exist'
        in error.message
    )
    trial.require_told(error.message)
    trial.revert()
    trial.require_taken_back()


@pytest.mark.proof
def test_a_ledger_that_is_dropped_leaves_a_schema_that_says_what_is_there_already(trial: Trial) -> None:
    trial.fails(when=batch(3), do="DROP SCHEMA migsafe CASCADE")
    error = trial.fails()
    assert 'column "remark" of relation "orders" already exists' in error.message
    assert trial.one("SELECT bool_and(note = 'note ' || id) FROM orders") == (True,)
