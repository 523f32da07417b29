"""Asks whoever runs a rollout to stop, from another terminal, and waits until that was done."""

import time
from dataclasses import dataclass

from migsafe.errors import RunError, StateRefused, UsageError
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage
from migsafe.rollout.machine import Position, backward, retreat, track_of
from migsafe.run.connect import Conn
from migsafe.run.events import Notice, Observer
from migsafe.run.lease import Holder, read_holder
from migsafe.run.ledger.model import Request, Rollout, State
from migsafe.run.ledger.rollouts import UNREPRESENTABLE, count_sync_events, read_rollout, request
from migsafe.run.process import is_surely_dead, this_process

LOOK_EVERY_SECONDS = 0.1
TELL_EVERY_SECONDS = 10.0
_GOING_ON = (State.RETREATING, State.REVERTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a request: `rollout` as it is then, `done` whether the runner did what was asked."""

    rollout: Rollout
    done: bool


def living_holder(conn: Conn, rollout: Rollout) -> Holder | None:
    """Who runs this rollout and is not known to be dead."""
    holder = read_holder(conn, rollout.id)
    if holder is None or not holder.alive or is_surely_dead(holder.process, here=this_process()):
        return None
    return holder


def known_rollout(conn: Conn, name: str) -> Rollout:
    """The rollout of this name.

    Raises:
        UsageError: The ledger has none.
    """
    found = read_rollout(conn, name)
    if found is None:
        raise UsageError(f"no rollout named '{name}' in this database", advice="`migsafe status` lists them")
    return found


def refuse_early(plan: Plan, rollout: Rollout, wanted: Request) -> None:
    """Make sure that what is asked for has a sense in this stage, before anybody is disturbed.

    Raises:
        StateRefused: It has none.
    """
    position = Position(stage=rollout.stage, green_percent=rollout.green_percent)
    if wanted is Request.RETREAT:
        retreat(track_of(plan), position)
    elif wanted is Request.REVERT and rollout.stage is Stage.DROPPED:
        backward(track_of(plan), position)
    elif wanted is Request.UNDO:
        require_tombstoned(rollout)


def refuse_reverted(rollout: Rollout, wanted: str) -> None:
    """Make sure that something is left of the rollout.

    Raises:
        StateRefused: It was taken back already.
    """
    if rollout.state is State.REVERTED:
        raise StateRefused(
            f"the rollout '{rollout.name}' was taken back already", advice=f"there is nothing to {wanted}"
        )


def require_tombstoned(rollout: Rollout) -> None:
    """Make sure that there is a tombstone to rename back, or a part of one: of an undo that broke off, too.

    Raises:
        StateRefused: The old shape still has its name, or is gone.
    """
    if rollout.stage is Stage.DROPPED:
        raise StateRefused(
            f"the rollout '{rollout.name}' has dropped the old shape: there is nothing to rename back",
            advice="restore it from a backup, or go on with the new version",
        )
    if Stage.TOMBSTONED not in (rollout.stage, rollout.furthest):
        raise StateRefused(
            f"the rollout '{rollout.name}' stands in stage '{rollout.stage}': the old shape has its name",
            advice="undo goes back from 'tombstoned' only: `migsafe retreat` gives the traffic back, "
            "`migsafe revert` takes everything back",
        )


def refuse_cancel(conn: Conn, plan: Plan, rollout: Rollout) -> None:
    """Make sure that the rollout can still be given up without losing anything.

    Raises:
        StateRefused: It is over, or a point of no return is passed.
    """
    refuse_reverted(rollout, "cancel")
    refuse_early(plan, rollout, Request.REVERT)
    if rollout.state is State.DONE:
        raise StateRefused(
            f"the rollout '{rollout.name}' is done: there is no work to cancel",
            advice=f"`migsafe revert {rollout.name}` takes back what it did",
        )
    lost = count_sync_events(conn, rollout.name).get(UNREPRESENTABLE, 0)
    if lost:
        raise StateRefused(
            f"the rollout '{rollout.name}' has passed the data point of no return: {lost} values were "
            "written that the old shape cannot hold, and giving up would lose them",
            advice=f"`migsafe pause {rollout.name}` stops the work, `migsafe run {rollout.name}` goes on; "
            "when those values may be lost (migsafe.sync_event lists them): "
            f"`migsafe revert {rollout.name}`",
        )


def ask_runner(
    conn: Conn, name: str, wanted: Request, *, observer: Observer, patience_seconds: float | None = None
) -> Answer | None:
    """Ask the live runner and wait until it did it. None when nobody lives, or not in time.

    The patience is for the runner to begin; once it did, this waits until it is done.

    Raises:
        UsageError, StateRefused: As `migsafe.run.ledger.rollouts.request` says.
    """
    rollout = known_rollout(conn, name)
    holder = living_holder(conn, rollout)
    if holder is None:
        return None
    request(conn, name, wanted)
    observer(Notice(text=f"asked {holder.process} to {wanted}; waiting until it does"))
    began = told = time.monotonic()
    while True:
        rollout = known_rollout(conn, name)
        now = time.monotonic()
        if rollout.request is None and rollout.state not in _GOING_ON:
            return Answer(rollout=rollout, done=rollout.state in _DONE[wanted])
        if living_holder(conn, rollout) is None:
            return None
        if rollout.request is not None and patience_seconds is not None and now - began > patience_seconds:
            return None
        if now - told > TELL_EVERY_SECONDS:
            told = now
            doing = "it finishes its piece of work" if rollout.request else f"it is {rollout.state}"
            observer(Notice(text=f"still waiting for {holder.process}: {doing}, in stage '{rollout.stage}'"))
        time.sleep(LOOK_EVERY_SECONDS)


def refused(answer: Answer, wanted: Request) -> RunError:
    """What to raise when the runner did something else."""
    rollout = answer.rollout
    return RunError(
        f"the runner did not {wanted}: it is {rollout.state} in stage '{rollout.stage}'"
        + (f" ({rollout.reason})" if rollout.reason else ""),
        advice=f"`migsafe status {rollout.name}` shows more",
    )


_DONE = {
    Request.PAUSE: (State.PAUSED,),
    Request.RETREAT: (State.RETREATED,),
    Request.REVERT: (State.REVERTED,),
    Request.UNDO: (State.WAITING,),
}
