"""The Python of upgrade() and downgrade() that carries out a part of a plan."""

import textwrap
from collections.abc import Iterator

from migsafe.integrations.revisions.drafts import Part
from migsafe.integrations.revisions.sql import sql_of
from migsafe.plan.model import BackfillStep, DdlStep, IndexStep, Plan, Step
from migsafe.plan.stages import Stage
from migsafe.sql.names import format_name

_INDENT = "    "


def upgrade_lines(plan: Plan, part: Part, *, plan_name: str, inline_sql: bool) -> list[str]:
    """The statements of upgrade(). `plan_name` is the expression that names the plan file."""
    if not inline_sql:
        return [f'op.migsafe_plan({plan_name}, to="{part.stages[-1]}")']
    return [line for stage in part.stages for line in _stage(plan, stage, plan_name)]


def downgrade_lines(plan: Plan, part: Part, *, plan_name: str) -> list[str]:
    """The statements of downgrade()."""
    if Stage.DROPPED in part.stages:
        return [
            "# The old shape is gone: Alembic says so, and changes nothing.",
            f'op.migsafe_plan({plan_name}, back_to="{part.back_to}")',
        ]
    steps = [step for stage in part.stages for step in plan.steps_to(stage) if step.undo]
    comments = [f"# Takes back: {step.title}" for step in reversed(steps)]
    return [*comments, f'op.migsafe_plan({plan_name}, back_to="{part.back_to}")']


def _stage(plan: Plan, stage: Stage, plan_name: str) -> Iterator[str]:
    steps = plan.steps_to(stage)
    plain = [step for step in steps if isinstance(step, BackfillStep) and step.assignments]
    if steps and len(plain) == len(steps):
        for backfill in plain:
            yield from _backfill(backfill, plan_name)
        return
    yield "op.migsafe_plan("
    yield f"{_INDENT}{plan_name},"
    yield f'{_INDENT}to="{stage}",'
    if steps:
        yield f"{_INDENT}sql={{"
        for step in steps:
            yield from (f"{_INDENT * 2}{line}" if line else "" for line in _entry(step))
        yield f"{_INDENT}}},"
    yield ")"


def _backfill(step: BackfillStep, plan_name: str) -> Iterator[str]:
    yield f"# {step.title}"
    yield "op.migsafe_backfill("
    yield f"{_INDENT}{quoted(format_name(step.table))},"
    yield f"{_INDENT}set={quoted(step.assignments)},"
    yield f"{_INDENT}where={quoted(step.pending)},"
    yield f"{_INDENT}plan={plan_name},"
    yield ")"


def _entry(step: Step) -> Iterator[str]:
    yield f"# {step.title}{_cost(step)}"
    text = sql_of(step)
    if '"""' in text or text.endswith(('"', "\\")) or not all(c.isprintable() or c == "\n" for c in text):
        yield f"{quoted(step.id)}: {text!r},"
        return
    prefix = "r" if "\\" in text else ""
    yield f'{quoted(step.id)}: {prefix}"""'
    yield from textwrap.indent(text, _INDENT).splitlines()
    yield '""",'


def _cost(step: Step) -> str:
    match step:
        case DdlStep(patient=True):
            return " (as long as the table is big)"
        case DdlStep(locks=locks) if locks:
            held = ", ".join(f"{lock.mode.label} on {format_name(lock.relation)}" for lock in locks)
            return f" ({held})"
        case IndexStep():
            return " (outside of a transaction)"
        case _:
            return ""


def quoted(text: str) -> str:
    """The text as Python, in double quotes where that needs no backslash."""
    return repr(text) if '"' in text or "\\" in text or not text.isprintable() else f'"{text}"'
