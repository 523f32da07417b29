"""Tables of every form, plans with steps of every kind, and what must be true in the end.

What a backfill does to a row cannot be repeated without being seen: it counts up, and a trigger
writes it down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from migsafe.plan.model import (
    BackfillStep,
    ConcurrentStep,
    Contract,
    CopyRows,
    DdlStep,
    IndexStep,
    Plan,
    Step,
    Traffic,
    VerifyStep,
)
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name
from tests.kill.act import Act, Verb
from tests.run.plans import make_plan

T, COPY = Name("t", "public"), Name("copy", "public")

FORWARD = (Act(Verb.RUN, Stage.VERIFIED), Act(Verb.RUN, Stage.DROPPED))
THERE_AND_BACK = (
    Act(Verb.RUN, Stage.VERIFIED),
    Act(Verb.RUN, Stage.TOMBSTONED),
    Act(Verb.UNDO),
    Act(Verb.RUN, Stage.TOMBSTONED),
    Act(Verb.REVERT),
    Act(Verb.RUN, Stage.VERIFIED),
    Act(Verb.RUN, Stage.DROPPED),
)
WITH_TRAFFIC = (
    Act(Verb.RUN, Stage.FULL),
    Act(Verb.RETREAT),
    Act(Verb.RUN, Stage.SOAKED),
    Act(Verb.RUN, Stage.TOMBSTONED),
    Act(Verb.UNDO),
    Act(Verb.RETREAT),
    Act(Verb.RUN, Stage.SOAKED),
    Act(Verb.RUN, Stage.TOMBSTONED),
    Act(Verb.REVERT),
    Act(Verb.RUN, Stage.SOAKED),
    Act(Verb.RUN, Stage.DROPPED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A database, a plan, what is done with it, and queries with what they must say in the end."""

    name: str
    setup: str
    plan: Plan
    acts: tuple[Act, ...]
    facts: Mapping[str, tuple[object, ...]]
    traffic: Path | None = field(default=None)

    def __str__(self) -> str:
        return self.name


def scenarios(rows: int, folder: Path) -> tuple[Scenario, ...]:
    """All of them, with tables of so many rows."""
    return (
        _filled("striped", rows, "n bigint PRIMARY KEY", "i", acts=THERE_AND_BACK),
        _filled("no key", rows, "n bigint", "i"),
        _filled("fillfactor", rows, "n int PRIMARY KEY", "i", after=") WITH (fillfactor = 50)"),
        _filled("keys", rows, "n int PRIMARY KEY", "i", after=") USING other", acts=THERE_AND_BACK),
        _filled(
            "several keys",
            rows,
            "n int, a text, b timestamptz, PRIMARY KEY (a, n, b)",
            "i, (i % 7)::text, '2020-02-02'::timestamptz + make_interval(secs => i)",
            after=") USING other",
        ),
        _partitioned(rows),
        _with_traffic(
            _filled("traffic", rows, "n int PRIMARY KEY", "i", acts=WITH_TRAFFIC), folder / "green"
        ),
        _copied(rows),
        _deleted(rows),
    )


def plan_of_fill(table: Name, indexed: str) -> Plan:
    """Fill a new column from an old one, which goes."""
    steps: tuple[Step, ...] = (
        DdlStep(
            id="expand",
            stage=Stage.EXPANDED,
            title="Add",
            sql=(f"ALTER TABLE {table.sql} ADD copied int, ADD times int NOT NULL DEFAULT 0",),
            undo=(f"ALTER TABLE {table.sql} DROP copied, DROP times",),
        ),
        BackfillStep(
            id="fill",
            stage=Stage.BACKFILLED,
            title="Fill",
            table=table,
            assignments="copied = visits, times = times + 1",
            pending="copied IS DISTINCT FROM visits",
        ),
        IndexStep(
            id="index",
            stage=Stage.VERIFIED,
            title="Index",
            index=Name("t_copied"),
            table=Name(indexed, "public"),
            sql=f"CREATE INDEX CONCURRENTLY t_copied ON public.{indexed} (copied)",
        ),
        ConcurrentStep(
            id="rebuild",
            stage=Stage.VERIFIED,
            title="Rebuild an index",
            table=table,
            sql="DROP INDEX CONCURRENTLY IF EXISTS public.t_old",
            done="to_regclass('public.t_old') IS NULL",
            undo=(
                "DROP INDEX CONCURRENTLY IF EXISTS public.t_old",
                f"CREATE INDEX CONCURRENTLY t_old ON public.{indexed} (pad)",
            ),
            undo_apart=True,
        ),
        DdlStep(
            id="check",
            stage=Stage.VERIFIED,
            title="Check",
            sql=(f"ALTER TABLE {table.sql} ADD CONSTRAINT t_nn CHECK (copied IS NOT NULL) NOT VALID",),
            undo=(f"ALTER TABLE {table.sql} DROP CONSTRAINT t_nn",),
        ),
        DdlStep(
            id="validate",
            stage=Stage.VERIFIED,
            title="Validate",
            sql=(f"ALTER TABLE {table.sql} VALIDATE CONSTRAINT t_nn",),
            patient=True,
        ),
        VerifyStep(
            id="verify",
            stage=Stage.VERIFIED,
            title="Verify",
            table=table,
            key=("n",),
            mismatch="copied IS DISTINCT FROM visits",
            again="copied IS DISTINCT FROM visits",
        ),
        DdlStep(
            id="hide",
            stage=Stage.TOMBSTONED,
            title="Rename the old column away",
            sql=(f"ALTER TABLE {table.sql} RENAME visits TO visits_gone",),
            undo=(f"ALTER TABLE {table.sql} RENAME visits_gone TO visits",),
        ),
        DdlStep(
            id="swap",
            stage=Stage.TOMBSTONED,
            title="Rename the new column",
            sql=(f"ALTER TABLE {table.sql} RENAME copied TO visits",),
            undo=(f"ALTER TABLE {table.sql} RENAME visits TO copied",),
        ),
        DdlStep(
            id="drop",
            stage=Stage.DROPPED,
            title="Drop",
            sql=(f"ALTER TABLE {table.sql} DROP visits_gone",),
        ),
        DdlStep(
            id="tidy",
            stage=Stage.DROPPED,
            title="Drop the constraint",
            sql=(f"ALTER TABLE {table.sql} DROP CONSTRAINT t_nn",),
        ),
    )
    return _dropping_at_once(make_plan(steps))


def _dropping_at_once(plan: Plan) -> Plan:
    return replace(plan, contract=Contract(keep_seconds=0.0))


_COUNTED = """
    CREATE TABLE changes (n bigint);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN INSERT INTO changes VALUES (OLD.n); RETURN OLD; END IF;
        INSERT INTO changes VALUES (NEW.n);
        RETURN NEW;
    END $$;
    CREATE TRIGGER note AFTER UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
    VACUUM (ANALYZE) t;
"""
_OTHER_STORAGE = "CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler;"
_PAD = "repeat('x', 60)"


def _filled(
    name: str, rows: int, columns: str, values: str, *, after: str = ")", acts: tuple[Act, ...] = FORWARD
) -> Scenario:
    setup = f"""
        {_OTHER_STORAGE}
        CREATE TABLE t ({columns}, visits int, pad text {after};
        CREATE INDEX t_old ON t (pad);
        INSERT INTO t SELECT {values}, i * 2, {_PAD} FROM generate_series(1, {rows}) i;
        {_COUNTED}"""
    return Scenario(
        name=name, setup=setup, plan=plan_of_fill(T, "t"), acts=acts, facts=_facts_of_fill(rows, acts)
    )


def _facts_of_fill(rows: int, acts: tuple[Act, ...]) -> dict[str, tuple[object, ...]]:
    """Each row was changed once on each way forward: after every way back it has its old form."""
    times = 1 + sum(act.verb is Verb.REVERT for act in acts)
    return {
        "SELECT count(*), count(DISTINCT n) FROM t WHERE visits = n * 2 AND times = 1": (rows, rows),
        "SELECT count(*) FROM t": (rows,),
        "SELECT count(*), count(DISTINCT n) FROM changes": (rows * times, rows),
        "SELECT max(c) FROM (SELECT count(*) AS c FROM changes GROUP BY n) AS each": (times,),
        "SELECT rows FROM migsafe.step WHERE id = 'fill'": (rows,),
    }


def _partitioned(rows: int) -> Scenario:
    third = rows // 3
    setup = f"""
        {_OTHER_STORAGE}
        CREATE TABLE t (n int, visits int, pad text) PARTITION BY RANGE (n);
        CREATE TABLE t1 (pad text, gone int, visits int, n int);
        ALTER TABLE t1 DROP COLUMN gone;
        ALTER TABLE t ATTACH PARTITION t1 FOR VALUES FROM (MINVALUE) TO ({third});
        CREATE TABLE t2 (n int PRIMARY KEY, visits int, pad text) USING other;
        ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM ({third}) TO ({third * 2});
        CREATE TABLE t3 PARTITION OF t DEFAULT PARTITION BY HASH (n);
        CREATE TABLE t4 PARTITION OF t3 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE t5 PARTITION OF t3 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE INDEX t_old ON t4 (pad);
        INSERT INTO t SELECT i, i * 2, {_PAD} FROM generate_series(1, {rows}) i;
        {_COUNTED}"""
    facts = _facts_of_fill(rows, THERE_AND_BACK)
    plan = plan_of_fill(T, "t4")
    return Scenario(name="partitions", setup=setup, plan=plan, acts=THERE_AND_BACK, facts=facts)


def _with_traffic(scenario: Scenario, file: Path) -> Scenario:
    """Traffic is a number in a file."""
    options = {"read": f"cat '{file}'", "set": f"echo {{green}} > '{file}.new' && mv '{file}.new' '{file}'"}
    traffic = Traffic(provider="command", options=options, steps=(50, 100), step_seconds=0.0)
    return replace(scenario, plan=replace(scenario.plan, traffic=traffic), traffic=file)


def _copied(rows: int) -> Scenario:
    """The copy has no key: a row that came twice would be seen."""
    missing = f"NOT EXISTS (SELECT FROM {COPY.sql} c WHERE c.n = t.n)"
    steps = (
        DdlStep(
            id="expand",
            stage=Stage.EXPANDED,
            title="Make the copy",
            sql=(
                "CREATE TABLE public.copy (n int, visits int, at int GENERATED ALWAYS AS IDENTITY)",
                "CREATE INDEX copy_n ON public.copy (n)",
            ),
            undo=("DROP TABLE public.copy",),
        ),
        BackfillStep(
            id="copy",
            stage=Stage.BACKFILLED,
            title="Copy",
            table=T,
            pending=missing,
            copy=CopyRows(into=COPY, columns=("n", "visits"), values=("n", "visits")),
        ),
        VerifyStep(
            id="verify", stage=Stage.VERIFIED, title="Verify", table=T, key=("n",), mismatch=missing, passes=1
        ),
    )
    setup = f"""
        CREATE TABLE t (n int PRIMARY KEY, visits int, pad text);
        INSERT INTO t SELECT i, i * 2, {_PAD} FROM generate_series(1, {rows}) i;
        {_COUNTED}"""
    return Scenario(
        name="copy",
        setup=setup,
        plan=_dropping_at_once(make_plan(steps)),
        acts=(Act(Verb.RUN, Stage.VERIFIED), Act(Verb.REVERT), Act(Verb.RUN, Stage.VERIFIED)),
        facts={
            "SELECT count(*), count(DISTINCT n) FROM copy WHERE visits = n * 2": (rows, rows),
            "SELECT count(*) FROM changes": (0,),
            "SELECT rows FROM migsafe.step WHERE id = 'copy'": (rows,),
        },
    )


def _deleted(rows: int) -> Scenario:
    pending = "n % 3 > 0"
    steps = (
        BackfillStep(
            id="delete", stage=Stage.BACKFILLED, title="Delete", table=T, pending=pending, delete=True
        ),
        VerifyStep(id="verify", stage=Stage.VERIFIED, title="Verify", table=T, key=("n",), mismatch=pending),
    )
    setup = f"""
        CREATE TABLE t (n int, visits int, pad text);
        INSERT INTO t SELECT i, i * 2, {_PAD} FROM generate_series(1, {rows}) i;
        {_COUNTED}"""
    left = rows // 3
    return Scenario(
        name="delete",
        setup=setup,
        plan=_dropping_at_once(make_plan(steps)),
        acts=(Act(Verb.RUN, Stage.VERIFIED),),
        facts={
            "SELECT count(*), count(*) FILTER (WHERE n % 3 = 0) FROM t": (left, left),
            "SELECT count(*), count(DISTINCT n) FROM changes": (rows - left, rows - left),
            "SELECT rows FROM migsafe.step WHERE id = 'delete'": (rows - left,),
        },
    )
