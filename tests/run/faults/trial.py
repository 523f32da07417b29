"""One rollout to disturb: a table, a plan made by the planner, and what must hold whatever happens to it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql

from migsafe.catalog.live import read_catalog
from migsafe.errors import MigsafeError
from migsafe.plan.model import Contract, Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage
from migsafe.rollout.controller import Controller
from migsafe.rollout.outcome import Outcome
from migsafe.rollout.session import controller
from migsafe.run.events import Event, Progress, StageReached, StepStarted
from migsafe.run.ledger.model import State
from migsafe.run.settings import Settings

ROWS = 800
SCHEMA = """
CREATE TABLE orders (id bigint PRIMARY KEY, note text NOT NULL, total integer NOT NULL DEFAULT 0);
CREATE INDEX orders_note ON orders (note);
"""
MIGRATION = "ALTER TABLE orders RENAME COLUMN note TO remark;"
QUICK = Settings(
    first_window_pages=1,
    window_pages=1,
    stripes=2,
    progress_seconds=0.0,
    lock_attempts=10,
    lock_first=0.1,
    retry_first=0.02,
    retry_last=0.1,
    lease_beat=0.3,
    lease_expiry=60.0,  # `expire` does not wait for it
    reconnect_seconds=30.0,
)
# The stages and states that a person may be left in, and that say so.
_STOPPED = (State.FAILED, State.PAUSED)

When = Callable[[Event], bool]


def begins(step: str) -> When:
    """When this step begins."""
    return lambda event: isinstance(event, StepStarted) and event.step == step


def reached(stage: Stage) -> When:
    """When the rollout stands there."""
    return lambda event: isinstance(event, StageReached) and event.stage is stage


def batch(number: int, step: str = "backfill.copy") -> When:
    """After so many batches, or windows that were read."""
    seen = 0

    def is_it(event: Event) -> bool:
        nonlocal seen
        seen += isinstance(event, Progress) and event.step == step
        return seen == number

    return is_it


@dataclass(kw_only=True)
class Trial:
    """A rollout of `orders`. What is done to it is done on a connection of somebody else's, `other`."""

    dsn: str
    plan: Plan
    other: psycopg.Connection[tuple[Any, ...]]
    settings: Settings = QUICK
    role: str = "postgres"
    events: list[Event] = field(default_factory=list)

    def run(
        self,
        to: Stage = Stage.VERIFIED,
        *,
        when: When | None = None,
        do: Callable[[], object] | str = "",
        dsn: str | None = None,
        **changed: Any,
    ) -> Outcome:
        """`migsafe run`, or `contract` for a later stage; `do` happens once, between two pieces of work."""
        done = False

        def look(event: Event) -> None:
            nonlocal done
            self.events.append(event)
            if when is not None and not done and when(event):
                done = True
                self.disturb(do)

        with controller(
            self.plan,
            dsn or self.dsn,
            observer=look,
            settings=replace(self.settings, **changed),
            old_version_gone=to.position >= Stage.TOMBSTONED.position,
        ) as control:
            outcome = control.drive(to)
        assert when is None or done, "the fault never happened"
        return outcome

    def disturb(self, do: Callable[[], object] | str) -> None:
        """Do it on the other connection."""
        if isinstance(do, str):
            self.execute(do)
        else:
            do()

    def fails(self, to: Stage = Stage.VERIFIED, **how: Any) -> MigsafeError:
        """The error with which a run ends; it says what to do, and the ledger says the same."""
        with pytest.raises(MigsafeError) as raised:
            self.run(to, **how)
        error = raised.value
        assert error.advice, f"nobody knows what to do about: {error.message}"
        return error

    def act(self, work: Callable[[Controller], Outcome]) -> Outcome:
        """What another command does."""
        with controller(
            self.plan, self.dsn, observer=self.events.append, settings=self.settings, old_version_gone=True
        ) as control:
            return work(control)

    def revert(self) -> Outcome:
        """`migsafe revert`."""
        return self.act(lambda control: control.revert(new_version_gone=True))

    def execute(self, query: str) -> None:
        """Somebody else does this; `{role}` is the role that runs the rollout, `{database}` the database."""
        names = {"role": self.role, "database": str(conninfo.conninfo_to_dict(self.dsn)["dbname"])}
        quoted = {key: sql.Identifier(name) for key, name in names.items()}
        self.other.execute(sql.SQL(query).format(**quoted))

    def cut_off(self) -> None:
        """End the sessions of the runner."""
        self.other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'migsafe%' AND datname = current_database()"
        )

    def expire(self) -> None:
        """So much time passes that the lease of a runner which could not give it back is over."""
        self.execute("UPDATE migsafe.lease SET expires_at = clock_timestamp()")

    def one(self, query: str) -> tuple[Any, ...]:
        """One row."""
        row = self.other.execute(query.encode()).fetchone()
        assert row is not None
        return row

    def require_told(self, text: str) -> None:
        """The ledger says why it stands still."""
        state, reason = self.one("SELECT state, reason FROM migsafe.rollout")
        assert state in _STOPPED, state
        assert text in reason, reason

    def require_right(self) -> None:
        """It stands in verified, and each row is right."""
        assert self.one("SELECT stage FROM migsafe.rollout") == ("verified",)
        assert self.one("SELECT count(*), bool_and(remark = note) FROM orders") == (ROWS, True)

    def require_verified(self) -> None:
        """The same, and each row was filled once."""
        self.require_right()
        filled = self.one(
            "SELECT s.rows + (SELECT coalesce(sum(c.rows), 0) FROM migsafe.chunk c "
            "WHERE c.step_id = s.id)::int8 FROM migsafe.step s WHERE s.id = 'backfill.copy'"
        )
        assert filled == (ROWS,)

    def require_contracted(self) -> None:
        """To the end from here: the schema that the migration asks for, with all that was in it."""
        self.run(Stage.DROPPED)
        assert self.one("SELECT count(*), bool_and(remark = 'note ' || id) FROM orders") == (ROWS, True)
        named = ["orders_id_not_null", "orders_note_not_null", "orders_total_not_null"]  # since PostgreSQL 18
        assert [name for name in self.shape() if name.removeprefix("constraint ") not in named] == [
            *("column id", "column remark", "column total"),
            *("constraint orders_pkey", "index orders_note", "index orders_pkey"),
        ]

    def require_taken_back(self) -> None:
        """All is as it was before, and nothing is left over."""
        assert self.one("SELECT stage, state FROM migsafe.rollout") == ("planned", "reverted")
        assert self.one("SELECT count(*), bool_and(note = 'note ' || id) FROM orders") == (ROWS, True)
        assert not [name for name in self.shape() if "remark" in name or "migsafe" in name]

    def shape(self) -> list[str]:
        """What belongs to the table, what we made for it, and what is not valid."""
        return [
            row[0]
            for row in self.other.execute(
                """
                SELECT 'column ' || attname FROM pg_attribute
                WHERE attrelid = to_regclass('public.orders') AND attnum > 0 AND NOT attisdropped
                UNION ALL
                SELECT 'index ' || indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' invalid' END
                FROM pg_index WHERE indrelid = to_regclass('public.orders')
                UNION ALL
                SELECT 'constraint ' || conname || CASE WHEN convalidated THEN '' ELSE ' invalid' END
                FROM pg_constraint WHERE conrelid = to_regclass('public.orders')
                UNION ALL
                SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = to_regclass('public.orders')
                UNION ALL
                SELECT 'function ' || proname FROM pg_proc
                WHERE pronamespace = 'migsafe'::regnamespace AND proname LIKE 'sync%'
                ORDER BY 1
                """
            )
        ]


def make_trial(other: psycopg.Connection[tuple[Any, ...]], dsn: str) -> Trial:
    """The table with its rows, and the plan."""
    other.execute(SCHEMA.encode())
    other.execute("INSERT INTO orders SELECT n, 'note ' || n, n FROM generate_series(1, %s) n", (ROWS,))
    other.execute("VACUUM (ANALYZE) orders")
    plan = plan_migration(MIGRATION, read_catalog(other), PlanOptions(name="trial"))
    return Trial(dsn=dsn, plan=replace(plan, contract=Contract(keep_seconds=0.0)), other=other)
