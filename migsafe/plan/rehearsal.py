"""A plan carried out on the catalog alone: what each step finds, does and leaves. Nothing here connects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from migsafe.catalog.model import Catalog
from migsafe.effects.model import Lasts, Lock, LockMode
from migsafe.effects.script import ScriptEffects, StatementEffects, script_effects
from migsafe.errors import PlanError
from migsafe.plan.model import (
    BackfillStep,
    ConcurrentStep,
    DdlStep,
    IndexStep,
    Plan,
    Step,
    VerifyStep,
)
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.script import read_script
from migsafe.sql.split import split

_BATCH = "ctid >= '(0,1)' AND ctid < '(128,1)'"  # which rows a batch asks for, as the runner's windows do


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One step where it stands: the schema before and after it, and what each of its statements does.

    `locks` are the strongest on each relation that was there before the step, by the names from then; where
    the catalog does not tell, in the worse case.
    """

    step: Step
    before: Catalog
    after: Catalog
    statements: tuple[StatementEffects, ...]
    locks: tuple[Lock, ...]

    @property
    def lasts(self) -> Lasts:
        """For how long its strongest statement holds what it blocks, in kind."""
        if isinstance(self.step, BackfillStep):
            return Lasts.INSTANT  # a batch
        order = list(Lasts)
        return max((each.effects.lasts for each in self.statements), key=order.index, default=Lasts.INSTANT)

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """The statements that PostgreSQL would not carry out where they stand, and why."""
        return tuple(
            (each.statement.text, each.effects.fails)
            for each in self.statements
            if each.effects.fails and each.effects.certain
        )


def rehearse(plan: Plan, catalog: Catalog, server_version: int | None = None) -> tuple[Rehearsed, ...]:
    """All steps of the plan, in order, each on the schema that the ones before it leave."""
    version = server_version or plan.server_version or catalog.server_version
    found: list[Rehearsed] = []
    for step in plan.steps:
        one = rehearse_step(step, catalog, version)
        found.append(one)
        catalog = one.after
    return tuple(found)


def rehearse_step(step: Step, catalog: Catalog, server_version: int | None = None) -> Rehearsed:
    """One step on this schema."""
    return _rehearsed(step, statements_of(step), catalog, server_version, together=isinstance(step, DdlStep))


def rehearse_undo(step: Step, catalog: Catalog, server_version: int | None = None) -> Rehearsed:
    """The way back of one step, on the schema that it and the steps behind it left."""
    together = isinstance(step, DdlStep) and not step.undo_apart
    return _rehearsed(step, step.undo, catalog, server_version, together=together)


def _rehearsed(
    step: Step, statements: Sequence[str], catalog: Catalog, server_version: int | None, *, together: bool
) -> Rehearsed:
    effects = _effects(statements, catalog, server_version, together=together)
    return Rehearsed(
        step=step,
        before=catalog,
        after=effects.catalog,
        statements=effects.statements,
        locks=locks_of(effects.statements, catalog),
    )


def statements_of(step: Step) -> tuple[str, ...]:
    """The SQL that the step runs: of a backfill one batch, of a proof one question."""
    match step:
        case DdlStep(sql=statements):
            return statements
        case IndexStep(sql=statement) | ConcurrentStep(sql=statement):
            return (statement,)
        case BackfillStep():
            return (_batch(step),)
        case VerifyStep():
            key = ", ".join(quote_identifier(column) for column in step.key) or "ctid"
            return (f"SELECT {key} FROM {step.table.sql} WHERE {step.mismatch}",)
        case _:
            return ()


def _batch(step: BackfillStep) -> str:
    rows = f"WHERE ({step.pending}) AND {_BATCH}"
    if step.delete:
        return f"DELETE FROM {step.table.sql} {rows}"
    if step.copy is None:
        return f"UPDATE {step.table.sql} SET {step.assignments} {rows}"
    columns = ", ".join(quote_identifier(column) for column in step.copy.columns)
    values = ", ".join(step.copy.values)
    key = f" ({', '.join(map(quote_identifier, step.copy.key))})" if step.copy.key else ""
    return (
        f"INSERT INTO {step.copy.into.sql} ({columns}) SELECT {values} FROM {step.table.sql} {rows} "
        f"ON CONFLICT{key} DO NOTHING"
    )


def _effects(
    statements: Sequence[str], catalog: Catalog, server_version: int | None, *, together: bool
) -> ScriptEffects:
    """What statements do, in one transaction or none; the schema behind is that after COMMIT."""
    lines = ("BEGIN", *statements, "COMMIT") if together else tuple(statements)
    script = read_script("".join(f"{line};\n" for line in lines))
    found = script_effects(script, catalog, server_version=server_version)
    return replace(found, statements=found.statements[1:-1]) if together else found


def locks_of(statements: Sequence[StatementEffects], before: Catalog) -> tuple[Lock, ...]:
    """The strongest lock on each relation, by the names that relations had before the first statement."""
    strongest: dict[Name, LockMode] = {}
    first_names: Mapping[Name, Name] = {}
    for each in statements:
        for lock in each.effects.locks:
            name = first_names.get(lock.relation, lock.relation)
            if before.table(name) or before.view(name) or not before.complete:
                strongest[name] = max(lock.mode, strongest.get(name, lock.mode))
        if each.moved:
            first_names = {
                **first_names,
                **{new: first_names.get(old, old) for old, new in each.moved.items()},
            }
    return tuple(Lock(name, strongest[name]) for name in sorted(strongest, key=str))


def with_predicted_locks(plan: Plan, catalog: Catalog) -> tuple[Plan, tuple[Rehearsed, ...]]:
    """The plan whose steps say of their locks what is known of PostgreSQL's, as it is read from its file.

    With it comes the rehearsal.

    Raises:
        PlanError: A step would be refused where it stands: its operation and an earlier one collide.
    """
    bare = replace(plan, steps=tuple(_bare(step) for step in plan.steps))
    rehearsed = rehearse(bare, catalog)
    for each in rehearsed:
        for _, why in each.refused:
            raise PlanError(
                f"the operations of the migration get into each other's way: {why} when '{each.step.title}' "
                "is to run, since what an earlier one takes away stays until the old version is gone",
                advice="Plan them one after the other, each from a migration of its own. Materialized views "
                "that read a column whose type changes need not be dropped: the plan carries them over.",
            )
    return replace(bare, steps=tuple(_with_locks(each) for each in rehearsed)), rehearsed


def _bare(step: Step) -> Step:
    """The step with nothing around its statements, as a plan file gives them back."""
    step = replace(step, undo=_statements(step.undo))
    match step:
        case DdlStep(sql=sql):
            return replace(step, sql=_statements(sql))
        case IndexStep(sql=text) | ConcurrentStep(sql=text):
            return replace(step, sql=_statements((text,))[0])
        case _:
            return step


def _statements(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(each.text for text in texts for each in split(text).statements)


def _with_locks(one: Rehearsed) -> Step:
    return replace(one.step, locks=one.locks) if isinstance(one.step, DdlStep) else one.step
