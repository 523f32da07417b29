"""Which revisions carry out a plan, and how they hang together."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.config.model import AlembicSettings
from migsafe.config.words import Layout, ScriptPhase
from migsafe.integrations.revisions.project import Revision
from migsafe.plan.model import Plan
from migsafe.plan.stages import SCHEMA_STAGES, Stage
from migsafe.run.order import before, stages_of

_KINDS = {
    Stage.EXPANDED: ("expand", ScriptPhase.EXPAND),
    Stage.BACKFILLED: ("backfill", ScriptPhase.BACKFILL),
    Stage.VERIFIED: ("verify", ScriptPhase.BACKFILL),
    Stage.TOMBSTONED: ("contract", ScriptPhase.CONTRACT),
    Stage.DROPPED: ("drop", ScriptPhase.CONTRACT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The stages that one revision brings about, and the one that is left when it is taken back."""

    kind: str  # expand, backfill, verify, contract, drop
    phase: ScriptPhase
    stages: tuple[Stage, ...]
    back_to: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One revision that is to be written."""

    id: str
    part: Part
    down: tuple[str, ...]
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


def parts_of(plan: Plan, layout: Layout) -> tuple[Part, ...]:
    """The parts of a plan, in order. On branches all that comes before the contract is one revision."""
    stages = [stage for stage in stages_of(plan) if stage in SCHEMA_STAGES]
    early = tuple(stage for stage in stages if stage.position <= Stage.VERIFIED.position)
    late = [stage for stage in stages if stage.position > Stage.VERIFIED.position]
    groups = [early] if layout is Layout.BRANCHES and early else [(stage,) for stage in early]
    groups += [(stage,) for stage in late]
    return tuple(_part(plan, group, layout) for group in groups)


def _part(plan: Plan, stages: tuple[Stage, ...], layout: Layout) -> Part:
    kind, phase = _KINDS[stages[-1]]
    if layout is Layout.BRANCHES and phase is not ScriptPhase.CONTRACT:
        kind, phase = "expand", ScriptPhase.EXPAND
    return Part(kind=kind, phase=phase, stages=stages, back_to=_settled(plan, stages[0]))


def _settled(plan: Plan, stage: Stage) -> Stage:
    """The schema's stage before this one: traffic is not Alembic's to move back."""
    found = before(plan, stage)
    return found if found in SCHEMA_STAGES or found is Stage.PLANNED else Stage.VERIFIED


def link(
    plan: Plan, naive: Revision, revisions: tuple[Revision, ...], settings: AlembicSettings
) -> tuple[Draft, ...]:
    """The drafts of all parts. The first keeps the id of the revision that they replace.

    A revision that was written before stays where it is.
    """
    parts = parts_of(plan, settings.layout)
    known = {each.id: each for each in revisions}
    drafts: list[Draft] = []
    for number, part in enumerate(parts):
        id_ = naive.id if number == 0 else _id(naive.id, part.kind)
        if number and id_ in known:
            there = known[id_]
            drafts.append(
                Draft(
                    id=id_, part=part, down=there.down, labels=there.own_labels, depends_on=there.depends_on
                )
            )
        elif settings.layout is Layout.BRANCHES:
            drafts.append(_on_branches(id_, part, drafts, naive, revisions, settings))
        elif drafts:
            drafts.append(Draft(id=id_, part=part, down=(drafts[-1].id,)))
        else:
            drafts.append(_first(id_, part, naive))
    if settings.layout is Layout.PHASES:
        return tuple(drafts)
    return tuple(_labelled(drafts, revisions, settings))


def _first(id_: str, part: Part, naive: Revision) -> Draft:
    return Draft(id=id_, part=part, down=naive.down, labels=naive.own_labels, depends_on=naive.depends_on)


def _on_branches(
    id_: str,
    part: Part,
    drafts: list[Draft],
    naive: Revision,
    revisions: tuple[Revision, ...],
    settings: AlembicSettings,
) -> Draft:
    if part.phase is not ScriptPhase.CONTRACT:
        return _first(id_, part, naive)
    last = next((draft for draft in reversed(drafts) if draft.part.phase is ScriptPhase.CONTRACT), None)
    if last is not None:
        return Draft(id=id_, part=part, down=(last.id,))
    needed = tuple(draft.id for draft in drafts[-1:])
    heads = [each.id for each in revisions if each.is_head and settings.contract_label in each.labels]
    if heads and (drafts or naive.is_head):
        return Draft(id=id_, part=part, down=(heads[0],), depends_on=needed or naive.down)
    if not drafts:  # nothing to expand: it stays where it is
        return _first(id_, part, naive)
    return Draft(id=id_, part=part, down=naive.down, labels=(settings.contract_label,), depends_on=needed)


def _labelled(
    drafts: list[Draft], revisions: tuple[Revision, ...], settings: AlembicSettings
) -> Iterator[Draft]:
    """With the label of the expand branch, where the contract branch begins beside it."""
    begins = any(settings.contract_label in draft.labels for draft in drafts)
    taken = any(settings.expand_label in each.labels for each in revisions)
    for draft in drafts:
        if begins and not taken and draft is drafts[0]:
            yield Draft(
                id=draft.id,
                part=draft.part,
                down=draft.down,
                labels=(*draft.labels, settings.expand_label),
                depends_on=draft.depends_on,
            )
        else:
            yield draft


def _id(naive: str, kind: str) -> str:
    """As long as Alembic's own, and the same whenever it is asked for."""
    return hashlib.sha256(f"{naive}:{kind}".encode()).hexdigest()[:12]
