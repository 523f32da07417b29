"""DROP COLUMN: the new version stops to write it, the old one is gone, and only then it goes.

Until then the column must not stand in the way of rows that come without it. It is renamed first, which is
undone in milliseconds, and dropped later.
"""

from collections.abc import Iterator
from dataclasses import replace

from migsafe.catalog.model import Column, Table
from migsafe.errors import PlanError
from migsafe.plan.conversion.expressions import Known, known_of
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, DownMap, Step
from migsafe.plan.recipes import common
from migsafe.plan.replace.column import primary_key
from migsafe.plan.replace.leaving import (
    family_of,
    gets_value,
    may_refuse_null,
    parents_of,
    refuse_dependants,
    rename_column,
    tombstone,
)
from migsafe.plan.replace.relax import drop_check, relax_not_null
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.sync import derived as fill
from migsafe.plan.sync.derived import Derived
from migsafe.plan.sync.pair import make_tag
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import DropColumn, Expression

# The old version ends before the tombstone; the new one works as soon as its rows are accepted.
WITHOUT = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.EXPANDED, last=Stage.DROPPED),
)


def drop_column(operation: DropColumn, wanted: Wanted, scene: Scene) -> Draft:
    """The rollout of a column's end.

    Raises:
        PlanError: The column is not known, or something hangs on it that does not simply go with it.
    """
    table, column = common.known_column(scene.catalog, operation.table, operation.column)
    refuse_dependants(table, column, scene.catalog, cascade=operation.cascade)
    if operation.only and (table.partitioned or any(scene.catalog.children(table.name))):
        raise PlanError(f"{table.name} has children: there is no recipe for DROP COLUMN of ONLY the parent")
    keeper = None if wanted.down is None else _keeper(table, column, wanted.down, scene)
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Drop {column.name} of {table.name} once the old version is gone",
            subject=table.name,
            down_map=_down_map(table, column, keeper),
            application_change=True,
        ),
        compatibility=WITHOUT,
        steps=tuple(_steps(table, column, keeper, scene)),
        warnings=tuple(_warnings(table, column, keeper)),
    )


def _steps(table: Table, column: Column, keeper: Derived | None, scene: Scene) -> Iterator[Step]:
    yield from _expand(table, column, keeper)
    family = family_of(table, scene.catalog)
    tomb = tombstone(table, column.name)
    buried = rename_column(table.name, column.name, tomb)
    back = rename_column(table.name, tomb, column.name)
    if keeper is not None:
        at_rest = _moved(keeper, tomb)
        off, on = fill.drop_triggers(keeper), fill.create_triggers(at_rest)
        sql = (*off, buried, *on)
        undo = (*off, back, *fill.create_triggers(keeper))
    else:
        sql, undo = (buried,), (back,)
    yield DdlStep(
        id=f"contract.{column.name}.tombstone",
        stage=Stage.TOMBSTONED,
        title=f"Rename {column.name} to its tombstone",
        sql=sql,
        undo=undo,
        locks=strong(*family),
    )
    ends = () if keeper is None else fill.drop_triggers(keeper)
    yield DdlStep(
        id=f"contract.{column.name}.drop",
        stage=Stage.DROPPED,
        title=f"Drop {tomb}: the point of no return",
        sql=(*ends, f"ALTER TABLE {table.name.sql} DROP COLUMN {quote_identifier(tomb)}"),
        locks=strong(*family, *parents_of(table, column.name)),
    )


def _expand(table: Table, column: Column, keeper: Derived | None) -> Iterator[Step]:
    if keeper is not None:
        yield DdlStep(
            id=f"expand.{column.name}.fill",
            stage=Stage.EXPANDED,
            title=f"Give rows that come without {column.name} the value that the old version expects",
            sql=fill.create_triggers(keeper),
            undo=fill.drop_triggers(keeper),
            locks=strong(table.name),
        )
    if gets_value(column):
        return
    filled = keeper is not None and _known(table, column, keeper).never_null
    if column.not_null and not filled:
        yield relax_not_null(table, column.name)
    for constraint in table.constraints:
        if keeper is None and column.name in constraint.columns and may_refuse_null(constraint):
            yield drop_check(table, constraint)


def _keeper(table: Table, column: Column, down: str, scene: Scene) -> Derived:
    """The column filled for rows of the new version, as `-- migsafe: down` says."""
    if gets_value(column):
        raise PlanError(
            f"`migsafe: down {down}` is given for {column.name} of {table.name}, but its rows get "
            f"{column.default or 'a value of the server'}: to a trigger that is a value like any other",
            advice="Leave the comment out, or drop the default in a migration before.",
        )
    fill.refuse_later_triggers(table)
    value = fill.read(down)
    if column.name in value.columns:
        raise PlanError(f"`migsafe: down {down}` reads {column.name} itself")
    tag = make_tag(str(table.name), column.name, "down")
    return Derived(
        rollout=scene.rollout,
        tag=tag,
        table=table.name,
        key=primary_key(table),
        column=column.name,
        type=fill.full_type(column.type, scene.catalog),
        value=value,
        columns=fill.readable(table, value),
        exact=fill.has_collations(table, column.collation, value),
        follows=fill.follows(value, scene.catalog),
        never_fails=_value_known(table, column, value).never_fails,
        own_path=fill.needs_own_path(value),
    )


def _known(table: Table, column: Column, keeper: Derived) -> Known:
    return _value_known(table, column, keeper.value)


def _value_known(table: Table, column: Column, value: Expression) -> Known:
    types = {each.name: each.type for each in table.columns}
    full = [each.name for each in table.columns if each.not_null]
    return known_of(value, column.type, types, full)


def _moved(keeper: Derived, column: str) -> Derived:
    return replace(keeper, column=column)


def _down_map(table: Table, column: Column, keeper: Derived | None) -> DownMap:
    if column.generated is not None and column.generated.value != "identity":
        return DownMap.TOTAL
    if keeper is None:
        return DownMap.LOSSY
    known = _known(table, column, keeper)
    sure = known.never_fails and (known.never_null or not column.not_null)
    return DownMap.TOTAL if sure else DownMap.LOSSY


def _warnings(table: Table, column: Column, keeper: Derived | None) -> Iterator[str]:
    what = f"{column.name} of {table.name}"
    if column.generated is None and keeper is None:
        gets = f"get {column.default}" if column.default is not None else "hold NULL"
        yield (
            f"Rows that the new version writes {gets} in {what}: that is what the old version reads there. "
            "`-- migsafe: down EXPRESSION` before the statement fills it from the other columns instead."
        )
    if column.not_null and not gets_value(column):
        yield (
            f"Point of no return for data: going back sets {what} NOT NULL again, after a proof that no row "
            "holds NULL there; the first row of the new version that does makes that fail, until the rows "
            "have a value."
        )
    lost = [each.name for each in table.constraints if column.name in each.columns]
    lost += [each.name for each in table.indexes if column.name in each.columns and each.name not in lost]
    if lost:
        yield f"With {what} go, as PostgreSQL does it: {', '.join(dict.fromkeys(lost))}."
    yield common.stale_star(table.name)
    yield f"Functions whose bodies mention {column.name} are not known to the catalog: look for them."
