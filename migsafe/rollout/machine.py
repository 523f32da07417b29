"""The state machine of a rollout: what comes next, what going back means, and what must never meet.

Pure: it decides, `controller` and `back` act. A position is what the ledger holds: the stage of the
schema and the share of green. Every move is checked against the invariant where it starts and where
it ends, forwards and backwards.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from migsafe.errors import StateRefused
from migsafe.plan.model import Plan
from migsafe.plan.stages import SCHEMA_STAGES, Compatibility, Stage
from migsafe.run.order import stages_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a rollout stands on both tracks; `green_percent` is the confirmed split."""

    stage: Stage
    green_percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What the machine has to know of a plan."""

    stages: tuple[Stage, ...]
    compatibility: Compatibility
    steps: tuple[int, ...]  # percent of green, rising, the last one 100; empty without traffic


class Question(StrEnum):
    """What must be answered with yes before the next move."""

    DARK = "dark"  # does green work, before it gets any traffic
    WATCH = "watch"  # does green do as well as blue, for the time of a step
    SOAK = "soak"  # the same, for the soak time
    FENCE = "fence"  # is the old version gone
    KEEP = "keep"  # is the keep time over


@dataclass(frozen=True, slots=True)
class Advance:
    """Run the steps that lead to this stage; it is recorded with the last one."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class Undo:
    """Take the steps of this stage back; the stage before it is recorded."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class Enter:
    """Record a stage that has no steps."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class Shift:
    """Move traffic to this share of green."""

    green_percent: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Put a question; the moves after it follow a yes only."""

    question: Question


Move = Advance | Undo | Enter | Shift | Ask


def track_of(plan: Plan) -> Track:
    """The plan as the machine sees it."""
    steps = sorted({*plan.traffic.steps, 100} - {0}) if plan.traffic else ()
    return Track(stages=stages_of(plan), compatibility=plan.compatibility, steps=tuple(steps))


def next_stage(track: Track, stage: Stage) -> Stage | None:
    """The stage after this one; None after the last."""
    return next((after for before, after in pairwise(track.stages) if before is stage), None)


def previous_stage(track: Track, stage: Stage) -> Stage | None:
    """The stage before this one; None before the first."""
    return next((before for before, after in pairwise(track.stages) if after is stage), None)


def forward(track: Track, position: Position) -> tuple[Move, ...]:
    """The moves to the next stage, from this position; empty at the last stage.

    Where stage and split do not belong together (a crash in a retreat, a proxy that was restarted) the
    only move is to the stage that fits the split. Within a canary the moves begin with watching the
    share that green has now: whoever begins here does not know how long it was watched.

    Raises:
        StateRefused: A move would break the invariant.
    """
    target = next_stage(track, position.stage)
    if target is None:
        return ()
    home = settled(track, position)
    moves = tuple(_forward(track, position, target)) if home is position.stage else (Enter(home),)
    _check(track, position, moves)
    return moves


def settled(track: Track, position: Position) -> Stage:
    """The stage that fits the split: what the ledger says, unless the traffic says otherwise."""
    stage, share = position.stage, position.green_percent
    if Stage.DARK not in track.stages or stage.position >= Stage.TOMBSTONED.position:
        return stage
    if share == 0:
        return min(stage, Stage.DARK, key=lambda each: each.position)
    if share < 100:
        return Stage.CANARY
    return max(stage, Stage.CANARY, key=lambda each: each.position)


def retreat(track: Track, position: Position) -> tuple[Move, ...]:
    """The moves that give all traffic to blue and leave the schema as it is.

    Raises:
        StateRefused: Blue does not work on the schema of this stage.
    """
    if Stage.DARK not in track.stages:
        raise StateRefused(
            "this plan moves no traffic, so there is none to take back",
            advice="`migsafe revert` takes the schema back",
        )
    moves: list[Move] = [Shift(0)] if position.green_percent else []
    if Stage.DARK.position < position.stage.position < Stage.TOMBSTONED.position:
        moves.append(Enter(Stage.DARK))
    if blocked := track.compatibility.violation(position.stage, 0):
        raise StateRefused(f"retreat is refused: {blocked}", advice=_instead_of_retreat(position.stage))
    _check(track, position, tuple(moves))
    return tuple(moves)


def backward(track: Track, position: Position) -> tuple[Move, ...]:
    """The moves of the next step of a revert: contract first, then traffic, then schema; empty at the start.

    Raises:
        StateRefused: There is no way back, or a move would break the invariant.
    """
    if position.stage is Stage.DROPPED:
        raise StateRefused(
            "there is no way back from stage 'dropped': the old shape is gone",
            advice="restore it from a backup, or go on with the new version",
        )
    if position == Position(stage=Stage.PLANNED, green_percent=0):
        return ()
    moves = tuple(_backward(track, position))
    _check(track, position, moves)
    return moves


def after(track: Track, position: Position, move: Move) -> Position:
    """Where a move leads.

    Raises:
        StateRefused: It would break the invariant at either end.
    """
    ends = _ends(track, position, move)
    for stage, share in ((ends.stage, position.green_percent), (ends.stage, ends.green_percent)):
        if violation := track.compatibility.violation(stage, share):
            raise StateRefused(
                f"refused: {violation}", advice="`migsafe status` shows where the rollout stands"
            )
    return ends


def _forward(track: Track, position: Position, target: Stage) -> Iterator[Move]:
    share = position.green_percent
    match target:
        case Stage.CANARY:
            yield from (Ask(Question.DARK), Enter(Stage.CANARY), Shift(track.steps[0]))
        case Stage.FULL:
            yield Ask(Question.WATCH)
            for step in track.steps:
                if step > share:
                    yield from (Shift(step), Ask(Question.WATCH))
            yield Enter(Stage.FULL)
        case Stage.SOAKED:
            yield from (Ask(Question.SOAK), Enter(Stage.SOAKED))
        case Stage.FENCED:
            yield from (Ask(Question.FENCE), Enter(Stage.FENCED))
        case Stage.TOMBSTONED:
            # Asked again: the time since the fence may have been long, and old sessions may be back.
            yield from (Ask(Question.FENCE), Advance(Stage.TOMBSTONED))
        case Stage.DROPPED:
            yield from (Ask(Question.KEEP), Ask(Question.FENCE), Advance(Stage.DROPPED))
        case Stage.DARK:
            yield Enter(Stage.DARK)
        case _:
            yield Advance(target)


def _backward(track: Track, position: Position) -> Iterator[Move]:
    stage = position.stage
    if stage is Stage.TOMBSTONED:
        yield Undo(stage)
    elif position.green_percent and Stage.DARK in track.stages:
        yield Shift(0)
    elif stage in SCHEMA_STAGES:
        if position.green_percent:
            raise StateRefused(
                f"the new version is said to get {position.green_percent} % of the traffic",
                advice="take it out of service first, then: migsafe revert PLAN --new-version-gone",
            )
        yield Undo(stage)
    else:
        yield Enter(previous_stage(track, Stage.DARK) or Stage.PLANNED)


def _ends(track: Track, position: Position, move: Move) -> Position:
    match move:
        case Advance(stage) | Enter(stage):
            return Position(stage=stage, green_percent=position.green_percent)
        case Undo(stage):
            before = previous_stage(track, stage) or stage
            return Position(stage=before, green_percent=position.green_percent)
        case Shift(green_percent):
            return Position(stage=position.stage, green_percent=green_percent)
        case Ask():
            return position


def _check(track: Track, position: Position, moves: tuple[Move, ...]) -> None:
    for move in moves:
        position = after(track, position, move)


def _instead_of_retreat(stage: Stage) -> str:
    if stage is Stage.DROPPED:
        return "the old shape is gone: go on with the new version"
    return (
        "`migsafe undo` renames the old shape back, then retreat works; "
        "`migsafe revert` renames the old shape back first, and then moves the traffic"
    )
