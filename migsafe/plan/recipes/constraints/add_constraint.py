"""ADD CONSTRAINT: proven for the rows that are there while reads and writes go on.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT
"""

import re
from collections.abc import Iterator

from migsafe.catalog.model import Constraint, Index, Table
from migsafe.catalog.replay import apply
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import constraint_steps, not_null_steps, proof_of_rows, strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, Step, VerifyStep
from migsafe.plan.recipes import common
from migsafe.plan.recipes.constraints.partitioned_constraints import (
    foreign_key_steps,
    partitioned_key_steps,
    with_partitions,
)
from migsafe.plan.recipes.constraints.readd import NAMED_NOT_NULL, PARTITIONED_FOREIGN_KEYS_NOT_VALID
from migsafe.plan.recipes.indexes.create_index import concurrent_index
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.lex import lex
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import AddConstraint, ConstraintDefinition, ConstraintKind

_WITH = re.compile(r"\bWITH\s+([^\s,()]+)", re.IGNORECASE)
_NULLS_ALIKE = re.compile(r"\bNULLS\s+NOT\s+DISTINCT\b", re.IGNORECASE)
_KEYS = {ConstraintKind.UNIQUE: "UNIQUE", ConstraintKind.PRIMARY_KEY: "PRIMARY KEY"}


def add_constraint(operation: AddConstraint, _wanted: Wanted, scene: Scene) -> Draft:
    """A constraint without a scan or an index build that blocks.

    Raises:
        PlanError: There is no such way for it, or its table or name is not known.
    """
    table = common.known_table(scene.catalog, operation.table)
    wanted = operation.constraint
    made = _made(table, operation, scene)
    kind = wanted.kind.value.replace("_", " ")
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Add the {kind} {made.name} to {table.name} without work that blocks",
            subject=table.name,
        ),
        steps=tuple(_steps(table, wanted, made, scene)),
        warnings=(
            f"From the first step of {made.name} on, a statement that breaks the constraint fails: make sure "
            "that the version that runs today keeps to it.",
            *_told(table, wanted, scene),
        ),
    )


def _told(table: Table, wanted: ConstraintDefinition, scene: Scene) -> tuple[str, ...]:
    named = scene.server_version >= NAMED_NOT_NULL
    if not (table.partitioned and wanted.kind is ConstraintKind.PRIMARY_KEY and named):
        return ()
    return (
        f"That NOT NULL of the columns is each partition's own too, beside that of {table.name}, is not "
        "taken back by a revert: PostgreSQL 18 makes it so when a partition gets a primary key by itself.",
    )


def _steps(table: Table, wanted: ConstraintDefinition, made: Constraint, scene: Scene) -> Iterator[Step]:
    match wanted.kind:
        case ConstraintKind.CHECK if wanted.expression is not None:
            yield _no_row_breaks(table, made.name, wanted.expression.text)
            yield from _proven(table, wanted, made)
        case ConstraintKind.FOREIGN_KEY if wanted.references is not None:
            references = scene.catalog.resolve(wanted.references)
            if table.partitioned and scene.server_version < PARTITIONED_FOREIGN_KEYS_NOT_VALID:
                yield from foreign_key_steps(table, made, body_of(wanted), references, scene.catalog)
            else:
                yield from _proven(table, wanted, made, references)
        case ConstraintKind.UNIQUE | ConstraintKind.PRIMARY_KEY:
            yield from _key_steps(table, wanted, made, scene)
        case ConstraintKind.NOT_NULL:
            (column,) = wanted.columns
            yield _no_row_breaks(table, made.name, f"{quote_identifier(column)} IS NOT NULL")
            yield from _proven(table, wanted, made)
        case _:
            raise _exclusion(table, wanted, made)


def _proven(
    table: Table, wanted: ConstraintDefinition, made: Constraint, references: Name | None = None
) -> Iterator[Step]:
    return constraint_steps(
        table.name,
        made.name,
        body_of(wanted),
        called=made.name,
        references=references,
        validate=not wanted.not_valid,
    )


def is_plain_equality(exclusion: ConstraintDefinition) -> bool:
    """Whether an exclusion constraint refuses only what a unique constraint on its columns would."""
    return set(_WITH.findall(exclusion.text)) == {"="} and " WHERE " not in exclusion.text.upper()


def _exclusion(table: Table, wanted: ConstraintDefinition, made: Constraint) -> PlanError:
    """PostgreSQL builds its index while it holds the table, and takes no index that is there already."""
    what = (
        f"PostgreSQL builds the index of the exclusion constraint {made.name} while {table.name} is blocked"
    )
    if is_plain_equality(wanted):
        return PlanError(
            what,
            advice="All its operators are =, so a unique constraint refuses the same rows and has a plan: "
            f"ADD CONSTRAINT {made.name} UNIQUE (...).",
        )
    return PlanError(
        f"{what}, and takes none NOT VALID", advice="Leave NOT VALID out: then a copy of the table gets it."
    )


def _key_steps(table: Table, wanted: ConstraintDefinition, made: Constraint, scene: Scene) -> Iterator[Step]:
    if wanted.not_valid:
        raise PlanError(
            f"PostgreSQL would refuse it: {made.name} would be a key, which is never NOT VALID",
            advice="Leave NOT VALID out: the plan builds its index CONCURRENTLY.",
        )
    given = next((index for index in table.indexes if index.name == wanted.using_index), None)
    if wanted.using_index and given is None:
        raise PlanError(f"{table.name} has no index {wanted.using_index}")
    names = given.keys if given else wanted.columns
    columns = ", ".join(quote_identifier(column) for column in names)
    key, rest = _KEYS[wanted.kind], _behind_columns(wanted)
    alike = given is None and _NULLS_ALIKE.search(wanted.text.partition("(")[0]) is not None
    if alike and table.partitioned:
        raise PlanError(
            f"there is no recipe yet for UNIQUE NULLS NOT DISTINCT on {table.name}, which is partitioned",
            advice="Build the unique index on each partition CONCURRENTLY by hand, and join them.",
        )
    if wanted.kind is ConstraintKind.PRIMARY_KEY:
        for name in names:
            column = table.column(name)
            if column is not None and not column.not_null:
                yield _no_row_breaks(table, f"not_null.{name}", f"{quote_identifier(name)} IS NOT NULL")
                check = bounded("migsafe_not_null", name, make_tag(str(table.name), name, made.name))
                for step in not_null_steps(table.name, name, check):
                    yield with_partitions(step, table, name, scene.catalog)
    if table.partitioned:
        after = apply(scene.catalog, AddConstraint(table=table.name, constraint=wanted))
        yield from partitioned_key_steps(table, f"{key} ({columns}){rest}", made, scene.catalog, after)
    else:
        tail = f"({columns}) NULLS NOT DISTINCT" if alike else f"({columns})"
        yield from _key_of_index(table, made, given, tail, f"{key} USING INDEX {{index}}{rest}")


def _key_of_index(
    table: Table, made: Constraint, given: Index | None, tail: str, definition: str
) -> Iterator[Step]:
    """The constraint from an index that is there, or from one that is built for it."""
    quoted = quote_identifier(made.name)
    index = quote_identifier(given.name if given else made.name)
    undo = [f"ALTER TABLE {table.name.sql} DROP CONSTRAINT IF EXISTS {quoted}"]
    if given is None:
        yield concurrent_index(table.name, made.name, "CREATE UNIQUE INDEX", tail)
    else:  # the constraint takes the index along when it goes
        again = parts.concurrently(given, f"index {given.name}")
        undo.append(again.replace(" CONCURRENTLY ", " CONCURRENTLY IF NOT EXISTS ", 1))
    yield DdlStep(
        id=f"verify.{made.name}.add",
        stage=Stage.VERIFIED,
        title=f"Make the index the {made.kind.value.replace('_', ' ')} {made.name}",
        sql=(f"ALTER TABLE {table.name.sql} ADD CONSTRAINT {quoted} {definition.format(index=index)}",),
        undo=tuple(undo),
        undo_apart=given is not None,
        locks=strong(table.name),
    )


def body_of(wanted: ConstraintDefinition) -> str:
    """The constraint without its name, and without NOT VALID."""
    tokens = tuple(lex(wanted.text))
    first = 2 if tokens[0].value == "constraint" else 0
    last = len(tokens) - 2 * wanted.not_valid
    return wanted.text[tokens[first].start : tokens[last - 1].end]


def _behind_columns(wanted: ConstraintDefinition) -> str:
    """DEFERRABLE and INITIALLY, which a constraint from an index may have; nothing else may stand there."""
    _, _, rest = wanted.text.partition(")")
    words = rest.upper().split()
    if set(words) - {"NOT", "DEFERRABLE", "INITIALLY", "DEFERRED", "IMMEDIATE"}:
        raise PlanError(
            f"there is no recipe yet for a key with {rest.strip()}",
            advice="Build its unique index CONCURRENTLY by hand, then add the constraint USING INDEX.",
        )
    return f" {' '.join(words)}" if words else ""


def _no_row_breaks(table: Table, name: str, condition: str) -> VerifyStep:
    """A row that breaks a CHECK that is NOT VALID cannot be updated any more: so there must be none."""
    return proof_of_rows(
        table,
        id=f"verify.{name}.rows",
        title=f"Prove that every row satisfies {condition}",
        mismatch=f"({condition}) IS FALSE",
    )


def _made(table: Table, operation: AddConstraint, scene: Scene) -> Constraint:
    """The constraint as the migration's own statement would leave it."""
    before = {each.name for each in (*table.constraints, *table.not_nulls)}
    after = apply(scene.catalog, operation).table(table.name)
    all_of_them = (*after.constraints, *after.not_nulls) if after else ()
    kind = operation.constraint.kind  # a primary key brings NOT NULL along
    new = [each for each in all_of_them if each.name not in before and each.kind is kind]
    if len(new) != 1:
        raise PlanError(
            f"the name of the new constraint on {table.name} cannot be told, or is taken",
            advice="Give it a name of its own: ADD CONSTRAINT name ...",
        )
    return new[0]
