"""From a migration to a plan: every operation as it is when it is harmless, else by its recipe."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from migsafe.catalog.history import History, advance
from migsafe.catalog.model import Catalog
from migsafe.effects.predict import DEFAULT_SERVER_VERSION, effects_of
from migsafe.errors import PlanError
from migsafe.plan.busy import refuse_busy, refuse_referenced
from migsafe.plan.draft import Draft, Scene, compose
from migsafe.plan.migration import Wanted, read_migration
from migsafe.plan.model import Plan
from migsafe.plan.naming import rollout_name
from migsafe.plan.no_way import why_not
from migsafe.plan.options import PlanOptions
from migsafe.plan.published import told_of_subscribers
from migsafe.plan.recipes.as_it_is import as_it_is
from migsafe.plan.recipes.registry import PATTERNS, RECIPES
from migsafe.plan.rehearsal import with_predicted_locks
from migsafe.sql.operations import AlterColumnType, Begin, RenameColumn, TableOperation


def plan_migration(text: str, catalog: Catalog, options: PlanOptions, *, file: str = "the migration") -> Plan:
    """The plan for a migration on this schema.

    Raises:
        PlanError: There is nothing to plan, or something that no recipe makes safe: what, where, and what to
            do.
    """
    wanted = read_migration(text, file=file)
    if not wanted:
        raise PlanError("the migration changes nothing, so there is nothing to plan")
    scene = Scene(
        catalog=catalog,
        options=options,
        rollout=options.name or rollout_name([each.operation for each in wanted], catalog),
        server_version=catalog.server_version or DEFAULT_SERVER_VERSION,
    )
    # In one transaction, so that it can be told what the migration itself made.
    history = advance(History(catalog=catalog), Begin())
    drafts: list[Draft] = []
    harmless = True
    while wanted:
        scene = replace(scene, catalog=history.catalog)
        with _located(f"{file}:{wanted[0].line}"):
            draft, count, safe = _next(wanted, scene)
        harmless = harmless and safe
        _refuse_touching(drafts, wanted[0], history.catalog, file=file)
        drafts.append(draft)
        for each in wanted[:count]:
            history = advance(history, each.operation)
        wanted = wanted[count:]
    if harmless and options.traffic is None:
        raise PlanError(
            "the migration needs no rollout: each of its statements is instant, and every version of the "
            "application works before and after it",
            advice="Run each of them by itself, with a short lock_timeout and a retry. `migsafe lint` says "
            "what else there is to know of them.",
        )
    plan, rehearsed = with_predicted_locks(compose(drafts, scene, text), catalog)
    return replace(plan, warnings=(*plan.warnings, *told_of_subscribers(rehearsed, catalog)))


def _next(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int, bool]:
    """The draft of the next operations, how many it is of, and whether they are harmless as they are."""
    for pattern in PATTERNS:
        found = pattern(wanted, scene)
        if found is not None:
            return (*found, False)
    harmless = as_it_is(wanted[0], scene)
    if harmless is not None:
        return harmless, 1, True
    return _by_recipe(wanted[0], scene), 1, False


@contextmanager
def _located(place: str) -> Iterator[None]:
    """Says of what is refused where it stands."""
    try:
        yield
    except PlanError as error:
        raise PlanError(f"{place}: {error.message}", advice=error.advice) from error


def _by_recipe(wanted: Wanted, scene: Scene) -> Draft:
    effects = effects_of(wanted.operation, scene.catalog, scene.server_version)
    reason = why_not(wanted.operation, wanted.sql, scene.catalog)
    if reason is not None:
        raise PlanError(f"no plan makes this safe: {reason[0]}", advice=reason[1])
    recipe = RECIPES.get(type(wanted.operation))
    draft = recipe(wanted.operation, wanted, scene) if recipe else None
    if effects.fails and effects.certain and not (draft and draft.mends):
        raise PlanError(f"PostgreSQL would refuse it: {effects.fails}")
    if draft is None:
        raise PlanError(
            f"there is no recipe for {wanted.operation.kind} yet",
            advice="`migsafe lint` says whether it is unsafe and what to do instead.",
        )
    return draft


def _refuse_touching(before: Sequence[Draft], wanted: Wanted, catalog: Catalog, *, file: str) -> None:
    """A column that is being replaced has two forms for a while: nothing else may happen to it meanwhile."""
    operation = wanted.operation
    refuse_busy(before, wanted, catalog, file=file)
    if not isinstance(operation, TableOperation):
        return
    table = catalog.resolve(operation.table)
    for draft in before:
        column = draft.change.column
        if column is not None and draft.change.subject == table:
            raise PlanError(
                f"{file}:{wanted.line}: {table} is changed again while {column.old} makes way for another",
                advice="Plan the two one after the other, each from a migration of its own.",
            )
        if column is not None and isinstance(operation, AlterColumnType | RenameColumn):
            refuse_referenced(draft, operation, catalog, file=file, line=wanted.line)
