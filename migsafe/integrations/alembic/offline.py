"""What `alembic upgrade --sql` shows of a plan: the SQL there is, and a stop where a connection is needed.

A script cannot go through a table in batches, nor keep the ledger. Where the plan does, the script goes on
only if that was done already.
"""

from collections.abc import Iterable, Sequence

from alembic.runtime.migration import MigrationContext
from psycopg import sql

from migsafe.integrations.revisions.sql import sql_of, undo_of
from migsafe.plan.model import BackfillStep, ConcurrentStep, DdlStep, IndexStep, Plan, Step, VerifyStep
from migsafe.plan.stages import Stage
from migsafe.sql.names import format_name


def render(context: MigrationContext, plan: Plan, stages: Iterable[Stage]) -> None:
    """Write the steps that lead to these stages."""
    render_steps(context, plan, [step for stage in stages for step in plan.steps_to(stage)])


def render_steps(context: MigrationContext, plan: Plan, steps: Sequence[Step]) -> None:
    """Write these steps of the plan."""
    _say(context, f"-- The plan {plan.name}. Only with a connection migsafe records it in its ledger.")
    if any("migsafe." in sql_of(step).replace('"', "") for step in steps):
        _stop_if(
            context,
            "to_regclass('migsafe.meta') IS NULL",
            "there is no ledger of migsafe in this database: run the upgrade with a connection",
        )
    for step in steps:
        _step(context, plan, step)


def render_back(context: MigrationContext, plan: Plan, target: Stage) -> None:
    """Write what takes back the steps behind a stage, the newest first."""
    _say(
        context,
        f"-- The plan {plan.name} is taken back to '{target}'. The ledger does not learn of it.",
    )
    for step in reversed(plan.steps):
        if step.stage.position <= target.position:
            continue
        if step.stage is Stage.DROPPED:
            _stop_if(context, "true", "the old shape is gone: there is no way back")
        elif step.undo:
            _apart(context, step, undo_of(step), concurrent="CONCURRENTLY" in undo_of(step))


def _step(context: MigrationContext, plan: Plan, step: Step) -> None:
    match step:
        case DdlStep():
            _apart(context, step, sql_of(step))
        case IndexStep() | ConcurrentStep():
            _apart(context, step, sql_of(step), concurrent=True)
        case BackfillStep(table=table, pending=pending):
            _say(context, f"-- {step.title}. It needs a connection:\n" + _commented(sql_of(step)))
            _stop_if(
                context,
                f"EXISTS (SELECT FROM {format_name(table)} WHERE {pending})",
                f"rows of {table} are not filled yet: migsafe run PLAN --to backfilled, for {plan.name}",
            )
        case VerifyStep(table=table, mismatch=mismatch):
            _say(context, f"-- {step.title}")
            _stop_if(
                context,
                f"EXISTS (SELECT FROM {format_name(table)} WHERE {mismatch})",
                f"rows of {table} are not right: {step.title}",
            )
        case _:
            _say(context, f"-- {step.title}: needs a connection")


def _apart(context: MigrationContext, step: Step, text: str, *, concurrent: bool = False) -> None:
    """Statements in a transaction of their own, or outside of any."""
    with context.autocommit_block():
        if concurrent:
            _say(context, f"-- {step.title}\n{text}")
        else:
            limit = "" if getattr(step, "patient", False) else "\nSET LOCAL statement_timeout = '5s';"
            _say(context, f"BEGIN;\n-- {step.title}\nSET LOCAL lock_timeout = '1s';{limit}\n{text}\nCOMMIT;")


def _stop_if(context: MigrationContext, condition: str, message: str) -> None:
    """A statement that fails when the condition holds, so that `psql -v ON_ERROR_STOP=1` goes no further."""
    quoted = sql.Literal(f"migsafe: {message}").as_string(None)
    _say(
        context,
        f"DO $migsafe_stop$\nBEGIN\n    IF {condition} THEN\n"
        f"        RAISE EXCEPTION USING MESSAGE = {quoted};\n    END IF;\nEND\n$migsafe_stop$;",
    )


def _say(context: MigrationContext, text: str) -> None:
    # Not through SQLAlchemy, which would look for parameters in it.
    context.impl.static_output(text)


def _commented(text: str) -> str:
    return "\n".join(f"--   {line}" for line in text.splitlines())
