"""Verification once more, after the step is done: while traffic runs, and before anything is taken away.

The mismatches of today are those of somebody who writes past the sync triggers, or switched them off for a
while. What the new version wrote and the old shape cannot hold is none: sync noted it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from migsafe.plan.model import Plan, VerifyStep
from migsafe.plan.stages import Stage
from migsafe.run.events import Notice
from migsafe.run.ledger import rollouts, steps
from migsafe.run.ledger.model import Progress, StepState
from migsafe.run.pace.pacer import pacing
from migsafe.run.session import Session
from migsafe.run.verify import Reading

AGAIN = "again"
_CONTRACT, _TRAFFIC = "contract", "traffic"


def repeated(plan: Plan) -> tuple[VerifyStep, ...]:
    """The proofs that must hold until the old shape is gone, as they read once the stage is reached."""
    return tuple(
        replace(step, mismatch=step.again, table=step.again_table or step.table)
        for step in plan.steps_to(Stage.VERIFIED)
        if isinstance(step, VerifyStep) and step.again
    )


def prove_again(session: Session) -> None:
    """Read all tables once more, from the beginning or from where an interrupted contract stood.

    Raises:
        VerificationFailed: Rows are not right.
        StopRequested: Somebody asked us to stop; it goes on where it was.
    """
    for step in repeated(session.plan):
        if not _is_done(session, step):
            continue  # a stage that was entered by hand
        reading = _reading(session, step, _CONTRACT, is_brief=False)
        session.emit(Notice(text=f"{step.title}: once more, before the old shape is taken away"))
        with pacing(session, step.table) as pacer:
            reading.read_table(pacer)
        _close(session, reading, _CONTRACT)


@dataclass(slots=True)
class Patrol:
    """Reads the tables over and over while traffic runs, one window at each look."""

    session: Session
    _todo: list[VerifyStep] = field(default_factory=list)
    _reading: Reading | None = None
    _due: float = 0.0

    def look(self) -> None:
        """Read one window, if it is time to.

        Raises:
            VerificationFailed: At the end of a pass: rows are not right.
        """
        if self._reading is None and not self._begin():
            return
        reading = self._reading
        if reading is not None and reading.read_window():
            self._reading = None
            _close(self.session, reading, _TRAFFIC)

    def _begin(self) -> bool:
        if not self._todo:
            if time.monotonic() < self._due:
                return False
            self._due = time.monotonic() + self.session.settings.verify_every_seconds
            self._todo = [step for step in repeated(self.session.plan) if _is_done(self.session, step)]
        if self._todo:
            self._reading = _reading(self.session, self._todo.pop(0), _TRAFFIC, is_brief=True)
        return self._reading is not None


def _is_done(session: Session, step: VerifyStep) -> bool:
    return steps.read_step(session.conn, session.rollout_id, step.id).state is StepState.DONE


def _reading(session: Session, step: VerifyStep, why: str, *, is_brief: bool) -> Reading:
    def write(cursor: Mapping[str, Any], progress: Progress | None) -> None:
        del progress  # the step is done
        _keep(session, step, {**cursor, "why": why})

    row = steps.read_step(session.conn, session.rollout_id, step.id)
    begun = dict((row.cursor or {}).get(AGAIN) or {})
    if begun.pop("why", why) != why or "at" in begun:
        begun = {}
    return Reading(session, step, begun, write=write, except_noted=True, is_brief=is_brief)


def _close(session: Session, reading: Reading, why: str) -> None:
    """Write down how a pass ended.

    Raises:
        VerificationFailed: Rows are not right.
    """
    step, wrong = reading.step, reading.wrong
    if wrong.count:
        reading.record({"while": why})
    with session.transaction():
        row = session.conn.execute("SELECT clock_timestamp()").fetchone()
        at = row[0].isoformat() if row else ""
        _keep(session, step, {**wrong.to_json(), "why": why, "at": at, "clean": not wrong.count})
        if not wrong.count:
            rollouts.add_audit(
                session.conn, session.rollout_id, "verified again", {"step": step.id, "while": why}
            )
    if wrong.count:
        raise reading.failure()


def _keep(session: Session, step: VerifyStep, document: Mapping[str, Any]) -> None:
    row = steps.read_step(session.conn, session.rollout_id, step.id)
    cursor = {name: value for name, value in (row.cursor or {}).items() if name != AGAIN}
    steps.move_cursor(session.conn, session.rollout_id, step.id, {**cursor, AGAIN: dict(document)})
