"""Finds out before the first step whether a plan still fits the database it is about to change.

A plan may be days old, or made from a schema file that knows no views, triggers or privileges. So it is made
again from the same migration and the schema as it is now, and the two are compared.
"""

from collections.abc import Iterator, Mapping

from migsafe.catalog.model import Catalog
from migsafe.errors import PlanError
from migsafe.plan.model import BackfillStep, DdlStep, IndexStep, Plan, Step, VerifyStep
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.sync.pair import OnMisfit

_AGAIN = "Is it the right database? If so, make the plan again from it: migsafe plan ... --database URL"


def preflight(plan: Plan, catalog: Catalog) -> tuple[str, ...]:
    """What a person should know about the database as it is now; empty when the plan fits it exactly.

    Raises:
        PlanError: The plan cannot be carried out on this database: why, and what to do.
    """
    if not plan.migration:
        return ()
    try:
        now = plan_migration(plan.migration, catalog, _options(plan))
    except PlanError as error:
        raise PlanError(
            f"the plan does not fit the database as it is now: {error.message}", advice=_AGAIN
        ) from error
    for then, today in zip(plan.changes, now.changes, strict=True):
        if then.column != today.column and then.column and today.column:
            raise PlanError(
                f"{then.column.old} of {then.subject} is {today.column.old_type}, but the plan was made for "
                f"{then.column.old_type}",
                advice=_AGAIN,
            )
    return tuple(_differences(plan, now))


def _options(plan: Plan) -> PlanOptions:
    misfit = plan.choices.get("on_misfit")
    return PlanOptions(
        name=plan.name,
        new_column=plan.choices.get("new_column"),
        on_misfit=OnMisfit(misfit) if misfit else None,
        traffic=plan.traffic,
        contract=plan.contract,
    )


def _differences(plan: Plan, now: Plan) -> Iterator[str]:
    """A person may have edited the plan on purpose, so none of these stops it."""
    planned, today = _by_id(plan), _by_id(now)
    for step in today.values():
        if step.id not in planned:
            yield f"made from the database as it is now, the plan would also say: {step.title}"
    for step in planned.values():
        other = today.get(step.id)
        if other is None:
            yield f"made from the database as it is now, the plan would not say: {step.title}"
        elif _work(step) != _work(other):
            yield f"made from the database as it is now, the plan would say otherwise: {step.title}"


def _by_id(plan: Plan) -> Mapping[str, Step]:
    return {step.id: step for step in plan.steps}


def _work(step: Step) -> object:
    """What a step does, without what is said about it."""
    match step:
        case DdlStep():
            return step.sql
        case IndexStep():
            return step.sql
        case BackfillStep():
            return step.assignments, step.pending
        case VerifyStep():
            return step.mismatch
        case _:
            return step
