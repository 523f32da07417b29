"""What one process does until it is killed: an act of a rollout, or the work of a guest.

It tells its place over a pipe, and counts its round trips to the server. So it can be killed at any of them:
before it is sent, while the server is at work on it, or when its answer is there and nobody knows it yet.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg

from migsafe.errors import MigsafeError
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import read_plan
from migsafe.rollout.session import controller
from migsafe.run.events import Event, StageReached, StepStarted, TrafficMoved
from migsafe.run.join import join
from migsafe.run.settings import Settings

START, END = "start", "end"


class Verb(StrEnum):
    """What a person would type."""

    RUN = "run"
    UNDO = "undo"
    REVERT = "revert"
    RETREAT = "retreat"
    WORK = "work"
    LEAD = "work --lead"


@dataclass(frozen=True, slots=True)
class Act:
    """One command, until it ends with success: `run` to a stage, or one of those that need none."""

    verb: Verb
    stage: Stage = Stage.PLANNED

    def __str__(self) -> str:
        return f"{self.verb} {self.stage}" if self.verb is Verb.RUN else str(self.verb)


@dataclass(frozen=True, slots=True)
class Moment:
    """So many round trips after this place was reached, or after a later one of the order.

    `side` is 0 to 1: 0 strikes before the round trip, 1 after it, anything else in the middle of it. What is
    struck is this process, or with `server` the one whose number is in that file, which stops as in a crash.
    """

    place: str
    trips: int
    side: float
    server: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place that was reached, after so many round trips and seconds since the last one."""

    place: str
    trips: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Struck:
    """The server was stopped by this process, which lives on; it was at this place."""

    place: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word of a process that was not killed: empty when it did what it should."""

    error: str
    text: str = ""


class Clock:
    """Counts round trips, and ends this process at one of them."""

    def __init__(self, pipe: Connection, moments: tuple[Moment, ...], order: tuple[str, ...]) -> None:
        self._pipe, self._moments, self._order = pipe, list(moments), order
        self._lock = threading.Lock()
        self._trips, self._since, self._place = 0, time.monotonic(), ""
        self._counted = 0  # since the place of the next moment was reached
        self._struck = ""  # the server that was struck last

    def mark(self, place: str) -> None:
        """This place is reached."""
        with self._lock:
            now = time.monotonic()
            self._pipe.send(Mark(place, self._trips, now - self._since))
            self._trips, self._since, self._place = 0, now, place

    def tell(self, ended: Ended) -> None:
        """Say how it ended."""
        with self._lock:
            self._pipe.send(ended)

    def watch_connections(self) -> None:
        """Count every round trip of every connection from now on."""
        original = psycopg.Connection.wait

        def wait(conn: psycopg.Connection, gen: Generator[Any, Any, Any], *args: Any, **names: Any) -> Any:
            moment = self._count()
            if moment is not None and moment.side < 1:
                self._strike(moment, share=moment.side)
            try:
                return original(conn, gen, *args, **names)
            finally:
                if moment is not None and moment.side >= 1:
                    self._strike(moment, share=0)

        psycopg.Connection.wait = wait  # type: ignore[method-assign,assignment]  # in this process only

    def _count(self) -> Moment | None:
        """One more round trip; the moment, if it has come."""
        with self._lock:
            self._trips += 1
            moment = self._moments[0] if self._moments else None
            if moment is None or not self._is_reached(self._place, moment.place):
                return None
            if moment.server and _number(moment) in ("", self._struck):
                return None  # it is not back yet
            self._counted += 1
            if self._counted < moment.trips:
                return None
            self._counted = 0
            return self._moments.pop(0)

    def _strike(self, moment: Moment, *, share: float) -> None:
        """At once, or while the round trip is under way: most take a millisecond or a few."""
        if share:
            timer = threading.Timer(share * 0.004, self._strike, (moment,), {"share": 0})
            timer.daemon = True
            timer.start()
        elif not moment.server:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            self._struck = _number(moment)
            os.kill(int(self._struck), signal.SIGQUIT)  # an immediate stop
            with self._lock:
                self._pipe.send(Struck(self._place))

    def _is_reached(self, place: str, wanted: str) -> bool:
        if place == wanted:
            return True
        order = self._order
        return place in order and wanted in order and order.index(place) > order.index(wanted)


def _number(moment: Moment) -> str:
    try:
        return Path(moment.server).read_text()
    except FileNotFoundError:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All that a process has to know. `order` are the places of the act in their order."""

    act: Act
    plan: str
    dsn: str
    settings: Settings
    moments: tuple[Moment, ...] = ()
    order: tuple[str, ...] = ()


def carry_out(task: Task, pipe: Connection) -> None:
    """The life of the process."""
    clock = Clock(pipe, task.moments, task.order)
    clock.watch_connections()
    clock.mark(START)
    try:
        _act(task, clock)
    except MigsafeError as error:
        clock.tell(Ended(type(error).__name__, str(error)))
        sys.exit(2)
    except BaseException as error:
        clock.tell(Ended(type(error).__name__, f"not an error of ours: {error}"))
        raise
    clock.mark(END)
    clock.tell(Ended(""))


def _act(task: Task, clock: Clock) -> None:
    plan, verb = read_plan(task.plan, file="the test's plan"), task.act.verb

    def tell(event: Event) -> None:
        match event:
            case StepStarted(step=step):
                clock.mark(step)
            case StageReached(stage=stage):
                clock.mark(f"stage {stage}")
            case TrafficMoved(green_percent=green):
                clock.mark(f"traffic {green}")
            case _:
                pass

    if verb in (Verb.WORK, Verb.LEAD):
        join(task.dsn, plan.name, settings=task.settings, observer=tell, leads=verb is Verb.LEAD)
        return
    with controller(plan, task.dsn, observer=tell, settings=task.settings, old_version_gone=True) as control:
        match verb:
            case Verb.RUN:
                if task.act.stage in (Stage.TOMBSTONED, Stage.DROPPED):
                    control.require_contract()
                control.drive(task.act.stage)
            case Verb.UNDO:
                control.undo()
            case Verb.REVERT:
                control.revert(new_version_gone=True)
            case Verb.RETREAT:
                control.retreat("asked for")
