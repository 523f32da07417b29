"""A column that moves to another table: added there, filled by a join, and dropped where it was.

ALTER TABLE b ADD COLUMN c text;
UPDATE b SET c = a.c FROM a WHERE a.id = b.a_id;
ALTER TABLE a DROP COLUMN c;
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from migsafe.catalog.model import Table
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import differs
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import not_null_steps, strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import BackfillStep, Change, DdlStep, DownMap, Step, VerifyStep
from migsafe.plan.recipes import common
from migsafe.plan.recipes.columns.inline_constraints import constraints_of, without_constraints
from migsafe.plan.recipes.columns.new_column import add_sql, drop_sql, refuse_table, told_of_new_column
from migsafe.plan.replace.column import TWO_NAMES, primary_key
from migsafe.plan.replace.leaving import (
    gets_value,
    may_refuse_null,
    parents_of,
    refuse_dependants,
    rename_column,
    tombstone,
)
from migsafe.plan.replace.relax import drop_check, relax_not_null
from migsafe.plan.stages import Stage
from migsafe.plan.sync.derived import full_type
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.plan.sync.tables import (
    Half,
    Moved,
    again,
    back_to_one_way,
    both_ways,
    create_one_way,
    drop_all,
    stop,
)
from migsafe.sql.joined_update import JoinedUpdate, joined_update
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import AddColumn, ConstraintKind, DropColumn, SetNotNull, Update

_FROM = "migsafe_from"


def move_column(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """The rollout of a column's move; None when the operations are something else.

    Raises:
        PlanError: The tables' rows do not belong together one by one, or something stands in the way.
    """
    found = _read(wanted, scene)
    if found is None:
        return None
    recipe = _Recipe(found, scene)
    draft = Draft(
        change=Change(
            kind="move_column",
            summary=f"Move {recipe.column.name} of {recipe.source.name} to {recipe.target.name} by degrees",
            subject=recipe.source.name,
            down_map=DownMap.LOSSY,
            application_change=True,
        ),
        compatibility=TWO_NAMES,
        steps=tuple(recipe.steps()),
        warnings=tuple(dict.fromkeys(recipe.told())),
    )
    return draft, found.count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    add: AddColumn
    added: Wanted
    join: JoinedUpdate
    drop: DropColumn
    not_null: bool
    count: int


def _read(wanted: Sequence[Wanted], scene: Scene) -> _Found | None:
    """ADD COLUMN, UPDATE from another table, perhaps SET NOT NULL, and DROP COLUMN there, in this order."""
    resolve = scene.catalog.resolve
    match [each.operation for each in wanted[:4]]:
        case [AddColumn() as add, Update(), SetNotNull(column=name) as tight, DropColumn() as drop]:
            if name != add.column.name or resolve(tight.table) != resolve(add.table):
                return None
            count = 4
        case [AddColumn() as add, Update(), DropColumn() as drop, *_]:
            count = 3
        case _:
            return None
    join = joined_update(wanted[1].sql)
    if join is None or join.column != add.column.name or resolve(join.table) != resolve(add.table):
        return None
    if resolve(join.source) != resolve(drop.table) or join.source_column != drop.column:
        return None
    not_null = count == 4 or add.column.not_null
    return _Found(add=add, added=wanted[0], join=join, drop=drop, not_null=not_null, count=count)


class _Recipe:
    """One move."""

    def __init__(self, found: _Found, scene: Scene) -> None:
        catalog, join = scene.catalog, found.join
        self.found, self.scene = found, scene
        self.source, self.column = common.known_column(catalog, join.source, join.source_column)
        self.target = common.known_table(catalog, join.table)
        self.new = without_constraints(found.add).column
        refuse_dependants(self.source, self.column, catalog, cascade=found.drop.cascade)
        self._refuse()
        self.constraints = constraints_of(found.add, found.added, scene)
        self.moved = self._moved()

    def _refuse(self) -> None:
        source, target, join, column = self.source, self.target, self.found.join, self.column
        refuse_table(target, self.new)
        what = f"{column.name} of {source.name}"
        for table in (source, target):
            if table.partitioned or table.partition_of:
                raise PlanError(f"{table.name} is partitioned; there is no recipe to move {what} yet")
        if self.new.default is not None or self.new.generated or self.new.is_serial:
            raise PlanError(
                f"{self.new.name} of {target.name} has a default: rows could not be told that need it"
            )
        if column.generated or column.is_serial:
            raise PlanError(f"{what} gets its values from the server: there is no recipe to move it")
        if self.new.type != column.type:
            raise PlanError(
                f"{what} changes its type on the way, from {column.type} to {self.new.type}",
                advice="Move it as it is, and change its type in a migration of its own.",
            )
        for table, key in ((source, join.key), (target, join.own_key)):
            if table.column(key) is None:
                raise PlanError(f"table {table.name} has no column {key}")
            if not _is_unique(table, key):
                raise PlanError(
                    f"{key} of {table.name} is not unique: one value of {what} would stand for several rows, "
                    "and what the new version writes to one of them cannot be told to the old version",
                    advice="Make it unique first if it is; else there is no way for both versions to work.",
                )

    def _moved(self) -> Moved:
        join, column, source = self.found.join, self.column, self.source
        tag = make_tag(str(source.name), column.name, str(self.target.name), self.new.name)
        return Moved(
            rollout=self.scene.rollout,
            type=full_type(column.type, self.scene.catalog),
            exact=column.collation is not None or self.new.collation is not None,
            old=Half(
                tag=tag,
                table=source.name,
                column=column.name,
                join=join.key,
                key=primary_key(source),
                default=column.default,
            ),
            new=Half(
                tag=tag,
                table=self.target.name,
                column=self.new.name,
                join=join.own_key,
                key=primary_key(self.target),
            ),
        )

    def steps(self) -> Iterator[Step]:
        """All steps, in order."""
        yield from self._expand()
        yield from self._fill()
        if self.found.not_null:
            tag = make_tag(str(self.target.name), self.new.name, "new")
            check = bounded("migsafe_not_null", self.new.name, tag)
            yield from not_null_steps(self.target.name, self.new.name, check)
        yield from self.constraints[0]
        yield from self._contract()

    def _expand(self) -> Iterator[Step]:
        source, target, column = self.source, self.target, self.column
        if not gets_value(column):
            if column.not_null:
                yield relax_not_null(source, column.name)
            for constraint in source.constraints:
                if column.name in constraint.columns and may_refuse_null(constraint):
                    yield drop_check(source, constraint)
        yield DdlStep(
            id="expand.add_and_follow",
            stage=Stage.EXPANDED,
            title=f"Add {self.new.name} to {target.name} and the triggers by which it follows {source.name}",
            sql=(add_sql(target, self.new, self.scene), *create_one_way(self.moved)),
            undo=(*drop_all(self.moved), drop_sql(target, self.new.name)),
            locks=strong(source.name, target.name),
        )

    def _fill(self) -> Iterator[Step]:
        target, source, join = self.target, self.source, self.found.join
        own = quote_identifier(target.name.name)
        value = f"{_FROM}.{quote_identifier(self.column.name)}"
        where = f"{_FROM}.{quote_identifier(join.key)} = {own}.{quote_identifier(join.own_key)}"
        new = quote_identifier(self.new.name)
        unequal = differs(f"{own}.{new}", value, self.moved.type, collation="C" if self.moved.exact else None)
        pending = f"EXISTS (SELECT FROM {source.name.sql} AS {_FROM} WHERE {where} AND ({unequal}))"
        yield BackfillStep(
            id="backfill.copy",
            stage=Stage.BACKFILLED,
            title=f"Fill {self.new.name} of {target.name} from {source.name} in batches",
            table=target.name,
            assignments=f"{new} = (SELECT {value} FROM {source.name.sql} AS {_FROM} WHERE {where})",
            pending=pending,
        )
        yield VerifyStep(
            id="verify.rows",
            stage=Stage.VERIFIED,
            title=f"Prove that every row of {target.name} says the same as its partner in {source.name}",
            table=target.name,
            key=primary_key(target),
            mismatch=pending,
            again=pending,
        )
        yield DdlStep(
            id="verify.both_ways",
            stage=Stage.VERIFIED,
            title=f"From now on {source.name} follows {target.name} as well",
            sql=both_ways(self.moved),
            undo=back_to_one_way(self.moved),
            locks=strong(target.name),
        )

    def _contract(self) -> Iterator[Step]:
        source, name = self.source.name, self.column.name
        tomb = tombstone(self.source, name)
        at_rest = replace(self.moved, old=replace(self.moved.old, column=tomb))
        yield DdlStep(
            id="contract.tombstone",
            stage=Stage.TOMBSTONED,
            title=f"Rename {name} of {source} to its tombstone, which is kept up",
            sql=(*stop(self.moved), rename_column(source, name, tomb), *again(at_rest)),
            undo=(*stop(self.moved), rename_column(source, tomb, name), *again(self.moved)),
            locks=strong(source, self.target.name),
        )
        yield DdlStep(
            id="contract.drop",
            stage=Stage.DROPPED,
            title=f"Drop {tomb} and the triggers: the point of no return",
            sql=(*drop_all(self.moved), f"ALTER TABLE {source.sql} DROP COLUMN {quote_identifier(tomb)}"),
            locks=strong(source, self.target.name, *parents_of(self.source, name)),
        )

    def told(self) -> Iterator[str]:
        """What a person must know, most urgent first."""
        source, target, name = self.source.name, self.target.name, self.column.name
        yield (
            f"A value of {name} in a row of {source} that has no partner in {target} goes with the column, "
            "as in the migration itself: see to it that there is none that matters."
        )
        yield (
            f"Each write of {name} writes the partner too: such a transaction holds a row of {source} and of "
            f"{target} until its end. Two that write both halves of the same thing at once end one after the "
            "other; the one that gave way is counted (`migsafe status`)."
        )
        yield (
            f"A row of {target} that comes with NULL, or is given to another row of {source} without a new "
            "value, takes the value that stands there, until the old version is gone."
        )
        if self.column.not_null and not gets_value(self.column):
            yield (
                f"{name} of {source} may be NULL from expand on, since the new version does not write it; "
                "going back proves first that no row holds NULL there, and fails while one does."
            )
        yield from self.constraints[1]
        yield from told_of_new_column(self.target)
        yield common.stale_star(source)
        yield f"Functions whose bodies mention {name} are not known to the catalog: look for them."


def _is_unique(table: Table, column: str) -> bool:
    keys = {ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE}
    if any(each.kind in keys and each.columns == (column,) for each in table.constraints):
        return True
    indexes = (each for each in table.indexes if each.unique and each.valid and each.where is None)
    return any(each.keys == (column,) for each in indexes)
