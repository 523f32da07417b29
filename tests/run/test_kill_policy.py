"""Who is in the way of a strong lock is told first; only whom the policy names is ended, never in silence."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import conninfo

from migsafe.effects.model import Lock, LockMode
from migsafe.errors import LockTimeout, UsageError
from migsafe.plan.model import DdlStep, IndexStep
from migsafe.plan.stages import Stage
from migsafe.run.approach import sessions_in_the_way
from migsafe.run.blockers import Blocker, Kind, find_blockers
from migsafe.run.connect import connect
from migsafe.run.events import Event, InTheWay, LockRetry, SessionEnded
from migsafe.run.kill import KillRule, read_rules, why_not
from migsafe.run.ledger.rollouts import read_audit
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.sql.names import Name
from tests.run.plans import USERS, make_plan

FEW = Settings(lock_attempts=4, retry_first=0.05, retry_last=0.2)
IDLE = replace(FEW, kill=(KillRule(kind=Kind.IDLE, seconds=0.0),), kill_superusers=True)
ADD = DdlStep(
    id="add", stage=Stage.EXPANDED, title="Add a column", sql=("ALTER TABLE users ADD COLUMN extra int",)
)
ALL = tuple(KillRule(kind=kind, seconds=0.0) for kind in (Kind.IDLE, Kind.ACTIVE, Kind.DUMP, Kind.VACUUM))


def blocker(**other: object) -> Blocker:
    values: dict[str, object] = {
        "pid": 1,
        "application": "shop",
        "role": "shop",
        "state": "idle in transaction",
        "transaction_seconds": 90.0,
        "query_seconds": 1.0,
        "command": "SELECT",
        "relation": "users",
        "mode": "AccessShareLock",
        "autovacuum": False,
        "wraparound": False,
        "backend_start": datetime.now(UTC),
        "xact_start": datetime.now(UTC),
        "superuser": False,
        "may_signal": True,
    }
    return Blocker(**(values | other))  # type: ignore[arg-type]  # the fields by their names


@pytest.mark.parametrize(
    ("found", "kind", "reason"),
    [
        (blocker(), Kind.IDLE, None),
        (blocker(state="active"), Kind.ACTIVE, None),
        (blocker(state="active", command="VACUUM"), Kind.VACUUM, None),
        (blocker(state="active", application="pg_dump"), Kind.DUMP, None),
        (blocker(autovacuum=True, wraparound=True), Kind.WRAPAROUND, "prevents wraparound"),
        (blocker(autovacuum=True), Kind.AUTOVACUUM, "gives way by itself"),
        (blocker(application="migsafe: other"), Kind.MIGSAFE, "a session of migsafe"),
        (blocker(application="migsafe heartbeat"), Kind.MIGSAFE, "a session of migsafe"),
        (blocker(pid=None), Kind.PREPARED, "ROLLBACK PREPARED"),
        (blocker(state=""), Kind.UNKNOWN, "may not see"),
        (blocker(superuser=True), Kind.IDLE, "belongs to a superuser"),
        (blocker(may_signal=False), Kind.IDLE, "may not end it"),
    ],
)
def test_whom_a_policy_that_names_every_kind_may_end(found: Blocker, kind: Kind, reason: str | None) -> None:
    assert found.kind is kind
    said = why_not(found, ALL, superusers=False)
    assert said is None if reason is None else said is not None and reason in said


def test_a_policy_is_off_by_default_and_by_kind_and_age() -> None:
    assert "does not name" in str(why_not(blocker(), Settings().kill, superusers=True))
    rules = read_rules(["idle-in-transaction:120", "active"])
    assert rules == (KillRule(kind=Kind.IDLE, seconds=120.0), KillRule(kind=Kind.ACTIVE, seconds=60.0))
    assert "younger than 120 s" in str(why_not(blocker(), rules, superusers=False))
    assert why_not(blocker(transaction_seconds=121.0), rules, superusers=False) is None
    for wrong in ("idle", "wraparound", "migsafe:1", "active:soon", "active:-1", "active:nan", ""):
        with pytest.raises(UsageError, match="is no kill rule"):
            read_rules([wrong])


def test_a_session_is_named_then_ended_and_audited_and_the_step_goes_through(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    events: list[Event] = []
    with psycopg.connect(database, application_name="reports") as reader:
        reader.execute("SELECT count(*) FROM users")
        pid = reader.info.backend_pid
        threading.Event().wait(0.15)
        with hold(make_plan((ADD,)), database, observer=events.append, settings=IDLE) as runner:
            runner.advance(Stage.EXPANDED)
            lines = [line for line in read_audit(runner.session.conn, 1) if line.event == "session ended"]
        with pytest.raises(psycopg.OperationalError):
            reader.execute("SELECT 1")
    told = [event for event in events if isinstance(event, InTheWay | LockRetry | SessionEnded)]
    assert isinstance(told[0], InTheWay)
    assert f"pid {pid} (reports" in told[0].blockers[0]
    ends = [event.done for event in told if isinstance(event, SessionEnded)]
    assert ends == [False, True]
    assert [(line.detail["pid"], line.detail["kind"]) for line in lines] == [(pid, "idle-in-transaction")]


def test_who_came_later_under_the_same_policy_is_named_before(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    """The one that was named ends by itself: nobody else is ended in its place."""
    users(10)
    events: list[Event] = []
    with psycopg.connect(database) as reader:
        reader.execute("SELECT count(*) FROM users")

        def tell(event: Event) -> None:
            events.append(event)
            if isinstance(event, SessionEnded) and not event.done:
                reader.rollback()

        with hold(make_plan((ADD,)), database, observer=tell, settings=IDLE) as runner:
            runner.advance(Stage.EXPANDED)
        reader.execute("SELECT 1")
    assert [event.done for event in events if isinstance(event, SessionEnded)] == [False]


def test_without_a_policy_and_for_a_superuser_nobody_is_ended(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with psycopg.connect(database) as reader:
        reader.execute("SELECT count(*) FROM users")
        for settings in (FEW, replace(IDLE, kill_superusers=False)):
            with (
                hold(make_plan((ADD,)), database, settings=settings) as runner,
                pytest.raises(LockTimeout),
            ):
                runner.advance(Stage.EXPANDED)
        reader.execute("SELECT 1")


def test_what_a_plain_role_may_end_is_known_beforehand(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    roles = [f"r_{uuid.uuid4().hex[:8]}" for _ in range(2)]
    for role in roles:
        conn.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'p'; GRANT SELECT ON users TO {role}".encode())
    logins = [conninfo.make_conninfo(database, user=role, password="p") for role in roles]  # noqa: S106 - scratch
    lock = Lock(USERS, LockMode.ACCESS_EXCLUSIVE)
    try:
        with (
            psycopg.connect(logins[0]) as own,
            psycopg.connect(logins[1]) as other,
            psycopg.connect(database) as above,
            connect(logins[0]) as looker,
        ):
            for each in (own, other, above):
                each.execute("SELECT count(*) FROM users")
            found = {each.pid: each for each in find_blockers(looker, [lock])}
            assert found[own.info.backend_pid].kind is Kind.IDLE
            assert why_not(found[own.info.backend_pid], ALL, superusers=True) is None
            for hidden in (other, above):
                assert found[hidden.info.backend_pid].kind is Kind.UNKNOWN
                assert why_not(found[hidden.info.backend_pid], ALL, superusers=True) is not None
            conn.execute(f"GRANT pg_monitor, pg_signal_backend TO {roles[0]}".encode())
            found = {each.pid: each for each in find_blockers(looker, [lock])}
            assert why_not(found[other.info.backend_pid], ALL, superusers=True) is None
            assert why_not(found[above.info.backend_pid], ALL, superusers=True) == "this role may not end it"
    finally:
        for role in roles:
            conn.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_before_an_index_is_built_old_transactions_on_any_table_are_told(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    conn.execute("CREATE TABLE other (id int)")
    index = IndexStep(
        id="index",
        stage=Stage.EXPANDED,
        title="Index",
        index=Name("users_name_idx"),
        table=USERS,
        sql="CREATE INDEX CONCURRENTLY users_name_idx ON public.users (name)",
    )
    events: list[Event] = []
    with psycopg.connect(database, application_name="nightly") as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT count(*) FROM other")
        threading.Event().wait(1.1)
        with hold(make_plan((index,)), database, observer=events.append) as runner:
            assert "nightly" in str(sessions_in_the_way(runner.session.conn, runner.rollout())[0])
            threading.Timer(0.5, old.rollback).start()
            runner.advance(Stage.EXPANDED)
            assert sessions_in_the_way(runner.session.conn, runner.rollout()) == ()
    told = [event for event in events if isinstance(event, InTheWay)]
    assert len(told) == 1
    assert "nightly" in told[0].blockers[0]
    assert "holds an old snapshot on this database" in told[0].blockers[0]
