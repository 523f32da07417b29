"""Whether an edited plan can still be carried out: all that can be told without doing it."""

from collections.abc import Iterator, Sequence

from migsafe.catalog.model import Catalog
from migsafe.errors import PlanError
from migsafe.lint.engine import LintOptions
from migsafe.plan.model import BackfillStep, DdlStep, Plan, VerifyStep
from migsafe.plan.preflight import preflight
from migsafe.plan.rehearsal import Rehearsed, rehearse, rehearse_undo, statements_of
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import read_plan
from migsafe.review.lint import lint_plan
from migsafe.review.model import Problem, Review
from migsafe.review.places import PlanPlaces, main_key, place_steps
from migsafe.review.windows import window_problems
from migsafe.sql.names import format_name
from migsafe.sql.script import read_script


def review_plan(
    text: str, *, file: str, catalog: Catalog | None = None, options: LintOptions | None = None
) -> Review:
    """What is wrong with a plan file, and what is worth knowing.

    `catalog` is the schema as it is before the first step; without it, only what stands in the file is
    looked at.

    Raises:
        PlanError: It is not a plan: which key, and where.
    """
    plan = read_plan(text, file=file)
    places = place_steps(plan, text, file=file)
    problems = [*_unread(plan, places), *_without_steps(plan), *window_problems(plan, places)]
    notes = list(_one_way(plan, places))
    if catalog is None or any(problem.step for problem in problems):
        return Review(path=file, plan=plan, problems=tuple(problems), notes=tuple(notes))
    rehearsed = rehearse(plan, catalog)
    problems += [*_refused(rehearsed, places), *_other_locks(rehearsed, places)]
    if not problems:
        problems += _no_way_back(plan, rehearsed, places)
    try:
        notes += [Problem(text=difference) for difference in preflight(plan, catalog)]
    except PlanError as error:
        problems.append(Problem(text=error.message, line=places.line(key="migration"), advice=error.advice))
    lint = lint_plan(plan, catalog, path=file, shown=text, origins=places.origins, options=options)
    return Review(path=file, plan=plan, problems=tuple(problems), notes=tuple(notes), lint=lint)


def _unread(plan: Plan, places: PlanPlaces) -> Iterator[Problem]:
    """Statements that were not understood: nobody can say what they would do."""
    for step in plan.steps:
        for key, statements in ((main_key(step), statements_of(step)), ("undo", step.undo)):
            for statement in statements:
                for read in read_script(statement).statements:
                    if read.unread is not None:
                        yield Problem(
                            text=f"'{key}' could not be read: {read.unread.reason}",
                            line=places.line(step.id, key),
                            step=step.id,
                        )


def _without_steps(plan: Plan) -> Iterator[Problem]:
    if not plan.steps:
        yield Problem(text="the plan has no steps", advice="Make it again with: migsafe plan MIGRATION.sql")
    filled = {step.table for step in plan.steps if isinstance(step, BackfillStep) and not step.delete}
    filled -= {step.table for step in plan.steps if isinstance(step, BackfillStep) and step.copy}
    proven = {step.table for step in plan.steps if isinstance(step, VerifyStep)}
    for table in sorted(filled - proven, key=str):
        yield Problem(
            text=f"no verify step proves what the backfill does to {table}",
            advice="Add a step of kind 'verify' whose 'mismatch' is true for a row that is not right.",
        )


def _one_way(plan: Plan, places: PlanPlaces) -> Iterator[Problem]:
    """Steps that nothing takes back, although their stage is one that is gone back from."""
    for step in plan.steps:
        lasting = isinstance(step, DdlStep) and not step.patient
        if lasting and not step.undo and step.stage is not Stage.DROPPED:
            yield Problem(
                text="there is no 'undo': a revert leaves what this step did",
                line=places.line(step.id),
                step=step.id,
            )


def _refused(rehearsed: Sequence[Rehearsed], places: PlanPlaces) -> Iterator[Problem]:
    """Statements that PostgreSQL would refuse where they stand."""
    for one in rehearsed:
        for statement, reason in one.refused:
            yield Problem(
                text=f"PostgreSQL would refuse it here: {reason}: {_short(statement)}",
                line=places.line(one.step.id, main_key(one.step)),
                step=one.step.id,
                advice="Each step runs on the schema that the ones before it leave: is their order right?",
            )


def _other_locks(rehearsed: Sequence[Rehearsed], places: PlanPlaces) -> Iterator[Problem]:
    """The locks that are stated are what the runner looks out for, so they have to be the real ones."""
    for one in rehearsed:
        if isinstance(one.step, DdlStep) and set(one.step.locks) != set(one.locks) and not one.refused:
            real = ", ".join(f"'{lock.mode.label} on {format_name(lock.relation)}'" for lock in one.locks)
            yield Problem(
                text=f"its 'locks' are not those that it takes: [{real}]",
                line=places.line(one.step.id, "locks"),
                step=one.step.id,
            )


def _no_way_back(plan: Plan, rehearsed: Sequence[Rehearsed], places: PlanPlaces) -> Iterator[Problem]:
    """Undo statements that PostgreSQL would refuse on the way back from the last stage that has one."""
    before_drop = [one for one in rehearsed if one.step.stage is not Stage.DROPPED]
    if not before_drop:
        return
    catalog = before_drop[-1].after
    for one in reversed(before_drop):
        back = rehearse_undo(one.step, catalog, plan.server_version)
        catalog = back.after
        for statement, reason in back.refused:
            yield Problem(
                text=f"PostgreSQL would refuse its 'undo': {reason}: {_short(statement)}",
                line=places.line(one.step.id, "undo"),
                step=one.step.id,
            )


def _short(statement: str) -> str:
    line = " ".join(statement.split())
    return line if len(line) <= 100 else f"{line[:97]}..."
