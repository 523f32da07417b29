"""ATTACH PARTITION and CREATE TABLE ... PARTITION OF: nothing is scanned or built under a strong lock.

What ATTACH would look for or make itself is there before it: constraints that prove that the rows fit and
that no row of the default partition does, the parent's indexes, its foreign keys.
https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migsafe.catalog.model import Constraint, Index, Table
from migsafe.catalog.replay import apply
from migsafe.effects.model import Lock
from migsafe.effects.predict import effects_of
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import constraint_steps, proof_of_rows, strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, Step, VerifyStep
from migsafe.plan.recipes import common
from migsafe.plan.recipes.indexes.create_index import concurrent_index
from migsafe.plan.recipes.partitions.bounds import fits
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import AttachPartition, ConstraintKind, CreateTable, Generated

_KEYS = {ConstraintKind.PRIMARY_KEY: "PRIMARY KEY", ConstraintKind.UNIQUE: "UNIQUE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One partition that joins: `default` is the default partition that is there already."""

    parent: Table
    child: Table
    bound: str
    condition: str
    default: Table | None
    locks: tuple[Lock, ...]

    @property
    def fit(self) -> str:
        """The CHECK constraint that proves that its rows fit."""
        return bounded("migsafe_fits", self.child.name.name, make_tag(str(self.child.name), self.bound))

    @property
    def misfit(self) -> str:
        """The CHECK constraint that proves that no row of the default partition would."""
        return bounded("migsafe_unfit", self.child.name.name, make_tag(str(self.child.name), self.bound))


def attach_partition(operation: AttachPartition, _wanted: Wanted, scene: Scene) -> Draft:
    """A table, with its rows, that becomes a partition of another one.

    Raises:
        PlanError: One of the tables is not known, or ATTACH would refuse the table or work under its lock.
    """
    parent = common.known_table(scene.catalog, operation.table)
    child = common.known_table(scene.catalog, operation.partition)
    _refuse_unfit(parent, child)
    joining = _attachment(parent, child, operation, scene)
    after = apply(scene.catalog, operation).table(child.name) or child
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Attach {child.name} to {parent.name} without a scan that blocks",
            subject=parent.name,
        ),
        steps=(
            _all_fit(joining),
            *constraint_steps(
                child.name, joining.fit, f"CHECK ({joining.condition})", called=f"{child.name.name}.fits"
            ),
            *_indexes(parent, child, after),
            *_foreign_keys(child, after),
            *_default_steps(joining),
            _attach(joining, is_new=False),
        ),
        warnings=(
            f"From the step that lets no row into {child.name} that does not fit, a write of such a row "
            "there fails: make sure that the version that runs today does not.",
            *_default_warnings(joining),
        ),
    )


def create_partition(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """A new partition, made on its own and attached: the parent gets no lock that stops reads or writes.

    Raises:
        PlanError: The parent has a default partition, and the new one says more than its bound.
    """
    operation = wanted[0].operation
    if not isinstance(operation, CreateTable) or operation.partition_of is None:
        return None
    parent = scene.catalog.table(operation.partition_of)
    if parent is None or not parent.partitioned or scene.catalog.created_now(parent):
        return None
    if operation.if_not_exists and scene.catalog.table(operation.table):
        return None
    tail = _tail(operation, wanted[0])
    name = scene.catalog.resolve(operation.table)
    attaching = AttachPartition(
        table=parent.name,
        partition=name,
        default=operation.default_partition,
        bound=operation.partition_bound,
    )
    child = Table(name=name, columns=parent.columns)
    joining = _attachment(parent, child, attaching, scene)
    fit = f"CONSTRAINT {quote_identifier(joining.fit)} CHECK ({joining.condition})"
    like = f"CREATE TABLE {name.sql} (LIKE {parent.name.sql} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
    create = f"{like} INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION, {fit}){tail}"
    making = DdlStep(
        id=f"expand.create.{name.name}",
        stage=Stage.EXPANDED,
        title=f"Create {name} by itself",
        sql=(create,),
        undo=(f"DROP TABLE IF EXISTS {name.sql}",),
    )
    draft = Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Create the partition {name} of {parent.name} without a lock that blocks",
            subject=parent.name,
        ),
        steps=(making, *_default_steps(joining), _attach(joining, is_new=True)),
        warnings=(
            f"A revert drops {name} with the rows that came into it"
            + (", after they were put back into the default partition." if joining.default else "."),
            *_default_warnings(joining),
        ),
        busy=(name,),
    )
    return draft, 1


def _attachment(parent: Table, child: Table, operation: AttachPartition, scene: Scene) -> Attachment:
    bound = "DEFAULT" if operation.default else operation.bound or ""
    default = next((each for each in scene.catalog.children(parent.name) if each.default_partition), None)
    effects = effects_of(operation, scene.catalog, scene.server_version)
    return Attachment(
        parent=parent,
        child=child,
        bound=bound,
        condition=fits(parent, bound, scene.catalog),
        default=default,
        locks=effects.locks,
    )


def _refuse_unfit(parent: Table, child: Table) -> None:
    if child.partitioned and child.name != parent.name:
        raise PlanError(
            f"{child.name} is partitioned itself: the indexes that it lacks would be built under a lock",
            advice="Attach it while it is empty, and its partitions afterwards, one at a time.",
        )
    for column in parent.columns:
        own = child.column(column.name)
        if own is None:
            raise PlanError(f"PostgreSQL would refuse it: {child.name} has no column {column.name}")
        if column.not_null and not own.not_null:
            raise PlanError(
                f"PostgreSQL would refuse it: {column.name} of {child.name} is not NOT NULL, as in "
                f"{parent.name}",
                advice=f"Say so first, in the same migration: ALTER TABLE {child.name} ALTER COLUMN "
                f"{column.name} SET NOT NULL;",
            )
    names = {each.name for each in child.constraints if each.kind is ConstraintKind.CHECK}
    missing = [
        each.name
        for each in parent.constraints
        if each.kind is ConstraintKind.CHECK and not each.no_inherit and each.name not in names
    ]
    if missing:
        raise PlanError(
            f"PostgreSQL would refuse it: {child.name} lacks the CHECK constraint {missing[0]} of "
            f"{parent.name}",
            advice="Add it first, in the same migration.",
        )


def _all_fit(joining: Attachment) -> VerifyStep:
    child = joining.child
    return proof_of_rows(
        child,
        id=f"verify.{child.name.name}.rows",
        title=f"Prove that all rows of {child.name} are within its bounds",
        mismatch=f"({joining.condition}) IS NOT TRUE",
    )


def _default_steps(joining: Attachment) -> Iterator[Step]:
    """Proof that no row of the default partition belongs into the new one."""
    default = joining.default
    if default is None:
        return
    yield proof_of_rows(
        default,
        id=f"verify.{default.name.name}.rows",
        title=f"Prove that no row of {default.name} belongs into {joining.child.name}",
        mismatch=f"({joining.condition})",
    )
    yield from constraint_steps(
        default.name,
        joining.misfit,
        f"CHECK (NOT ({joining.condition}))",
        called=f"{default.name.name}.unfit",
    )


def _default_warnings(joining: Attachment) -> Iterator[str]:
    if joining.default is not None:
        yield (
            f"While the rows of {joining.default.name} are checked, and until {joining.child.name} is "
            f"attached, {joining.parent.name} refuses rows that belong there. If the application writes such "
            "rows today, move them out of the default partition in a window without them, or attach before "
            "they come."
        )


def _indexes(parent: Table, child: Table, after: Table) -> Iterator[Step]:
    """The indexes that ATTACH would build, by the names that it would give them."""
    names = {index.name for index in child.indexes}
    behind = {constraint.index: constraint for constraint in after.constraints if constraint.index}
    for index in after.indexes:
        if index.name in names:
            continue
        yield from _index(child, index, behind.get(index.name), _model(parent, index))


def _model(parent: Table, index: Index) -> Index:
    found = next((each for each in parent.indexes if index.parent and each.name == index.parent.name), None)
    if found is None or " USING " not in found.definition:
        raise PlanError(
            f"the exact definition of the indexes of {parent.name} is not known",
            advice="Give the live database with --database, so that nothing about it is guessed.",
        )
    return found


def _index(child: Table, index: Index, constraint: Constraint | None, model: Index) -> Iterator[Step]:
    if constraint is not None and constraint.kind not in _KEYS:
        raise PlanError(
            f"{child.name} lacks the exclusion constraint of its parent, which is built under a lock only",
            advice=f"Add it to {child.name} before the application uses that table.",
        )
    tail = model.definition.partition(" USING ")[2]
    make = "CREATE UNIQUE INDEX" if model.unique else "CREATE INDEX"
    yield concurrent_index(child.name, index.name, make, f"USING {tail}")
    if constraint is not None:
        quoted = quote_identifier(index.name)
        deferrable = constraint.definition.partition(" DEFERRABLE")
        yield DdlStep(
            id=f"verify.{index.name}.add",
            stage=Stage.VERIFIED,
            title=f"Make the new index a {_KEYS[constraint.kind].lower()}",
            sql=(
                f"ALTER TABLE {child.name.sql} ADD CONSTRAINT {quoted} {_KEYS[constraint.kind]} "
                f"USING INDEX {quoted}{deferrable[1]}{deferrable[2]}",
            ),
            undo=(f"ALTER TABLE {child.name.sql} DROP CONSTRAINT IF EXISTS {quoted}",),
            locks=strong(child.name),
        )


def _foreign_keys(child: Table, after: Table) -> Iterator[Step]:
    names = {constraint.name for constraint in child.constraints}
    for constraint in after.constraints:
        if constraint.kind is ConstraintKind.FOREIGN_KEY and constraint.name not in names:
            yield from constraint_steps(
                child.name,
                constraint.name,
                constraint.definition,
                called=constraint.name,
                references=constraint.references,
            )


def _attach(joining: Attachment, *, is_new: bool) -> DdlStep:
    parent, child, default = joining.parent, joining.child, joining.default
    as_what = joining.bound
    proofs = [(child, joining.fit)] + ([(default, joining.misfit)] if default else [])
    back: tuple[str, ...] = ()
    if default is not None and is_new:
        kept = [column.name for column in child.columns if column.generated in {None, Generated.IDENTITY}]
        columns = ", ".join(quote_identifier(name) for name in kept)
        back = (
            f"INSERT INTO {parent.name.sql} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} "
            f"FROM {child.name.sql}",
        )
    return DdlStep(
        id=f"verify.attach.{child.name.name}",
        stage=Stage.VERIFIED,
        title=f"Attach {child.name} to {parent.name}: no scan, the constraints prove its bounds",
        sql=(
            f"ALTER TABLE {parent.name.sql} ATTACH PARTITION {child.name.sql} {as_what}",
            *(f"ALTER TABLE {table.name.sql} DROP CONSTRAINT {quote_identifier(n)}" for table, n in proofs),
        ),
        undo=(f"ALTER TABLE {parent.name.sql} DETACH PARTITION {child.name.sql}", *back),
        locks=joining.locks or strong(child.name),
    )


def _tail(operation: CreateTable, wanted: Wanted) -> str:
    """What follows the bound: PARTITION BY, USING, WITH, TABLESPACE."""
    bound = "DEFAULT" if operation.default_partition else operation.partition_bound or ""
    head, found, tail = wanted.sql.partition(bound)
    if operation.columns or operation.constraints or not found or "(" in head or operation.unlogged:
        raise PlanError(
            f"the partition {operation.table} says more than its bound",
            advice="Create it with its bound alone, and give it what is its own afterwards; or create the "
            "table by itself and ATTACH it.",
        )
    return f" {tail.strip().rstrip(';').rstrip()}".rstrip()
