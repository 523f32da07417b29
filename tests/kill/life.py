"""The life of a rollout: undisturbed, to learn what there is to kill and what comes out, or killed."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan
from migsafe.postgres.server import Server
from migsafe.run.ledger.rollouts import read_rollout
from migsafe.run.settings import Settings
from tests.conftest import drop_database
from tests.kill.act import START, Act, Moment, Task, Verb
from tests.kill.hosts import Host, Pair
from tests.kill.process import Victim
from tests.kill.scenarios import Scenario
from tests.plan.load.dump import difference, schema_of

# Small windows and chunks, so that few rows make many batches.
SETTINGS = Settings(
    first_window_pages=2, window_pages=4, sweep_pages=8, join_poll=0.05, lease_beat=1.0, lease_expiry=4.0
)
MOST_TRIES = 60  # of one act, when something else than our kill ends it
LONGEST_SECONDS = 120.0  # of one process


@dataclass(frozen=True, slots=True)
class Segment:
    """What follows a place until the next one: so many round trips and seconds."""

    act: int
    place: str
    trips: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What an undisturbed life looks like and leaves behind."""

    segments: tuple[Segment, ...]
    orders: tuple[tuple[str, ...], ...]  # the places of each act
    stages: tuple[Stage, ...]  # after each act
    schema: list[str]
    audit: list[str]


@dataclass(slots=True)
class Toll:
    """What was killed, and where."""

    places: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    tries: int = 0

    @property
    def kills(self) -> int:
        """How many there were."""
        return self.places.total()

    def __str__(self) -> str:
        errors = "".join(f", {count} {name}" for name, count in sorted(self.errors.items()))
        return f"{self.kills:>3} kills of {self.tries} runners{errors}"


@contextmanager
def database_of(server_now: Callable[[], Server], scenario: Scenario) -> Iterator[str]:
    """A fresh database with its tables; gives its direct URL, on the server of the beginning."""
    server = server_now()
    name = f"kill_{scenario.name.replace(' ', '_')}_{random.randrange(10**9)}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = server.dsn(name)
    try:
        with psycopg.connect(dsn, autocommit=True) as conn:
            for statement in statements(scenario.setup):
                conn.execute(statement.encode())
        if scenario.traffic is not None:
            scenario.traffic.write_text("0\n")
        yield dsn
    finally:
        drop_database(server_now(), name)


def statements(setup: str) -> Iterator[str]:
    """All in one, and VACUUM by itself: it must not be in a transaction."""
    head, vacuum, _ = setup.partition("VACUUM (ANALYZE) t;")
    yield head
    if vacuum:
        yield vacuum


def undisturbed(server_now: Callable[[], Server], scenario: Scenario) -> Reference:
    """Live it once."""
    segments: list[Segment] = []
    orders: list[tuple[str, ...]] = []
    stages: list[Stage] = []
    with database_of(server_now, scenario) as dsn:
        for number, act in enumerate(scenario.acts):
            victim = Victim(Task(act=act, plan=dump_plan(scenario.plan), dsn=dsn, settings=SETTINGS))
            victim.join()
            assert victim.did_it, victim.ended
            places = [mark.place for mark in victim.marks]
            orders.append(tuple(dict.fromkeys(places)))
            segments += [
                Segment(number, mark.place, following.trips, following.seconds)
                for mark, following in zip(victim.marks, victim.marks[1:], strict=False)
                if following.trips
            ]
            stages.append(stage_of(dsn, scenario))
        check_facts(dsn, scenario)
        return Reference(
            segments=tuple(segments),
            orders=tuple(orders),
            stages=tuple(stages),
            schema=schema_of(server_now(), dsn),
            audit=stage_lines(dsn),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a rollout lives: `dsn` may lead through a pooler, `direct` does not.

    With a `host` it is the server that is struck, and nobody else.
    """

    server_now: Callable[[], Server]
    dsn: str
    direct: str
    guests: int = 0
    workers: int = 1  # of the leader
    rate: float | None = None
    host: Host | None = None


class Life:
    """All acts of a scenario, each again and again until it is done."""

    def __init__(
        self, scenario: Scenario, reference: Reference, place: Place, kills: int, rng: random.Random
    ) -> None:
        self.scenario, self.reference, self.place, self.rng = scenario, reference, place, rng
        self.toll = Toll()
        share = 0.5 if place.guests and place.host is None else 1.0  # the guests die as well
        self._planned = moments_of(reference, round(kills * share), rng)
        self._kills = kills

    def live(self) -> Toll:
        """Until the last act is done."""
        number = 0
        while number < len(self.scenario.acts):
            number += self._act(number)
        return self.toll

    def _act(self, number: int) -> int:
        """See one act done; -1 when the one before must be done again: its end was lost with a server."""
        act, todo = self.scenario.acts[number], self._planned.pop(number, [])
        guests = self._guests(act)
        for _ in range(MOST_TRIES + self._kills):
            ended = self._leader(number, todo, guests)
            if ended and is_done(self.place.direct, self.scenario, act, self.reference.stages[number]):
                self._finish(guests)
                return 1
            if ended and number and self._is_lost(number - 1):
                self._finish(guests)
                return -1
        raise AssertionError(f"{act} was not done after {self.toll.tries} tries")

    def _is_lost(self, number: int) -> bool:
        """Whether the rollout fell back behind what this act had reached: a server lost that."""
        place = self.place
        if not isinstance(place.host, Pair) or place.host.is_synchronous:
            return False
        act = self.scenario.acts[number + 1]
        found, wanted = stage_of(place.direct, self.scenario), self.reference.stages[number]
        return act.verb is Verb.RUN and found.position < wanted.position

    def _leader(self, number: int, todo: list[Moment], guests: "list[Guest]") -> bool:
        """One process that leads; False when it was killed."""
        host, act = self.place.host, self.scenario.acts[number]
        moments = tuple(todo) if host else tuple(todo[:1])
        if host is None:
            del todo[:1]
        victim = Victim(self._task(act, moments=moments, order=self.reference.orders[number]))
        self.toll.tries += 1
        seen, ends = 0, time.monotonic() + LONGEST_SECONDS
        while victim.is_alive or len(victim.strikes) > seen:
            if host is not None and len(victim.strikes) > seen:
                self.toll.places[f"{act}: {victim.strikes[seen].place}"] += 1
                print(f"struck in {act} at {victim.strikes[seen].place}: {todo[0]}")  # noqa: T201 - as below
                host.recover()
                del todo[:1]
                seen += 1
            if isinstance(host, Pair) and todo and self.rng.random() < 0.02:
                host.hold_back()
            for guest in guests:
                guest.tend()
            if guests and host is None and self.rng.random() < 0.005 and self.toll.kills < self._kills:
                for each in (victim, *(guest.victim for guest in guests if self.rng.random() < 0.7)):
                    each.kill()
            victim.wait(0.01)
            assert time.monotonic() < ends, f"{act} hangs at {victim.place}"
        victim.join()
        return self.account(victim)

    def account(self, victim: Victim) -> bool:
        """Count how it ended; False when it was killed."""
        act = victim.task.act
        if victim.was_killed:
            self.toll.places[f"{act}: {victim.place}"] += 1
            print(f"killed in {act} after {victim.place}: {victim.task.moments}")  # noqa: T201 - for pytest
            return False
        require_ours(victim)
        if victim.ended is not None and victim.ended.error:
            self.toll.errors[victim.ended.error] += 1
            print(f"{act} ended at {victim.place}: {victim.ended}")  # noqa: T201 - the same
        return True

    def spawn_guest(self, verb: Verb) -> Victim:
        """One more process that joins, with a moment to die at, most times."""
        lethal = self.place.host is None and self.toll.kills < self._kills and self.rng.random() < 0.8
        side = self.rng.choice((0.0, 1.0, self.rng.random()))
        moment = Moment(START, self.rng.randint(1, 700), side)
        return Victim(self._task(Act(verb), moments=(moment,) if lethal else ()))

    def _guests(self, act: Act) -> "list[Guest]":
        if act != Act(Verb.RUN, Stage.VERIFIED):
            return []
        verbs = (Verb.LEAD, Verb.WORK) * self.place.guests
        return [Guest(self, verb) for verb in verbs[: self.place.guests]]

    def _finish(self, guests: "list[Guest]") -> None:
        """There is nothing left to do for them: they end by themselves."""
        for guest in guests:
            guest.victim.join()
            self.account(guest.victim)

    def _task(self, act: Act, *, moments: tuple[Moment, ...] = (), order: tuple[str, ...] = ()) -> Task:
        place = self.place
        settings = replace(
            SETTINGS,
            direct_dsn=None if place.direct == place.dsn else place.direct,
            workers=place.workers,
            max_rows_per_second=place.rate,
        )
        if place.host is not None:
            moments = tuple(replace(moment, server=str(place.host.number)) for moment in moments)
        return Task(
            act=act,
            plan=dump_plan(self.scenario.plan),
            dsn=place.dsn,
            settings=settings,
            moments=moments,
            order=order,
        )


class Guest:
    """A place for a process that joins; there is always one in it."""

    def __init__(self, life: Life, verb: Verb) -> None:
        self._life, self._verb = life, verb
        self.victim = life.spawn_guest(verb)
        self._rests_until = 0.0

    def tend(self) -> None:
        """Let another one come when it has ended; in a moment, when it found nothing to do."""
        now = time.monotonic()
        if self.victim.is_alive or now < self._rests_until:
            return
        if self._rests_until:
            self._rests_until = 0.0
            self.victim = self._life.spawn_guest(self._verb)
            return
        self.victim.join()
        self._life.account(self.victim)
        self._rests_until = now + (0.3 if self.victim.did_it else 0.0)
        if not self.victim.did_it:
            self.victim = self._life.spawn_guest(self._verb)


def live(scenario: Scenario, reference: Reference, place: Place, kills: int, rng: random.Random) -> Toll:
    """Live it in this place, killing as often as planned, and look at what comes out."""
    toll = Life(scenario, reference, place, kills, rng).live()
    require_end(place, scenario, reference)
    return toll


def require_ours(victim: Victim) -> None:
    """Whatever ended it, it was an error that migsafe explains."""
    assert victim.ended is not None, f"{victim.task.act} ended without a word at {victim.place}"
    assert "not an error of ours" not in victim.ended.text, victim.ended


def is_done(dsn: str, scenario: Scenario, act: Act, stage: Stage) -> bool:
    """Whether the act has led to where it leads; who asks for it again is told so."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        found = read_rollout(conn, scenario.plan.name)
    if found is None or found.stage is not stage:
        return False
    if act.verb in (Verb.UNDO, Verb.REVERT):
        return found.furthest is stage
    return True


def moments_of(reference: Reference, kills: int, rng: random.Random) -> dict[int, list[Moment]]:
    """So many moments in all, by act, in the order of time: each segment in proportion to a root of its size.

    Those of one long segment come one after the other: a backfill that was killed goes on, and ends sooner.
    """
    segments = reference.segments
    weights = [segment.trips**0.35 for segment in segments]
    chosen = Counter(rng.choices(range(len(segments)), weights, k=kills))
    found: dict[int, list[Moment]] = {segment.act: [] for segment in segments}
    for index in sorted(chosen):
        segment, count = segments[index], chosen[index]
        most = max(1, 2 * segment.trips // (count + 1))
        for _ in range(count):
            side = rng.choice((0.0, 1.0, rng.random()))
            found[segment.act].append(Moment(segment.place, rng.randint(1, most), side))
    return found


def stage_of(dsn: str, scenario: Scenario) -> Stage:
    """Where the rollout stands."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        found = read_rollout(conn, scenario.plan.name)
    assert found is not None
    return found.stage


def stage_lines(dsn: str) -> list[str]:
    """The stages in the order in which they were recorded."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        rows = conn.execute(
            "SELECT detail ->> 'stage' FROM migsafe.audit WHERE event = 'stage' ORDER BY id"
        ).fetchall()
    return [stage for (stage,) in rows]


def check_facts(dsn: str, scenario: Scenario) -> None:
    """Every row right, none lost, none done twice."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        for query, wanted in scenario.facts.items():
            assert conn.execute(query.encode()).fetchone() == wanted, query


_NOTHING_LEFT = {
    "invalid indexes": "SELECT indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready)",
    "steps": "SELECT id, state FROM migsafe.step WHERE state IN ('running', 'failed')",
    "chunks": "SELECT number, state FROM migsafe.chunk WHERE state <> 'done'",
    "quarantine": "SELECT key FROM migsafe.quarantine",
    "holders": "SELECT holder FROM migsafe.lease WHERE holder IS NOT NULL AND expires_at > clock_timestamp()",
    "sessions": "SELECT application_name, state, query FROM pg_stat_activity WHERE application_name LIKE "
    "'migsafe: %' AND state <> 'idle' AND datname = current_database()",
    "prepared": "SELECT gid FROM pg_prepared_xacts",
}


def require_end(place: Place, scenario: Scenario, reference: Reference) -> None:
    """The same as of the undisturbed life, and nothing else."""
    dsn = place.direct
    check_facts(dsn, scenario)
    with psycopg.connect(dsn, autocommit=True) as conn:
        for what, query in _NOTHING_LEFT.items():
            assert conn.execute(query.encode()).fetchall() == [], what
    wrong = difference(reference.schema, schema_of(place.server_now(), dsn))
    assert not wrong, wrong
    lines = stage_lines(dsn)
    again = ["canary", "dark", "canary"]  # who dies before the first traffic begins in the dark once more
    for number in reversed(range(len(lines))):
        if lines[number : number + 3] == again:
            del lines[number : number + 2]
    assert lines == reference.audit, f"each stage once:\n{lines}\n{reference.audit}"
