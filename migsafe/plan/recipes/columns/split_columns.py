"""Columns that are split or merged: new ones that an UPDATE fills from others, which are dropped then.

Both shapes are alive from expand until the old one is a tombstone: the UPDATE says how the new columns come
from the old ones, `-- migsafe: down EXPRESSION` before each DROP how an old one comes from the new ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from migsafe.catalog.model import Column, Constraint
from migsafe.errors import PlanError
from migsafe.plan.conversion.expressions import known_of, plain_column
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import not_null_steps, strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import BackfillStep, Change, DdlStep, DownMap, Step, VerifyStep
from migsafe.plan.recipes import common
from migsafe.plan.recipes.columns.inline_constraints import constraints_of, without_constraints
from migsafe.plan.recipes.columns.new_column import add_sql, drop_sql, refuse_table, told_of_new_column
from migsafe.plan.recipes.columns.reshape import Added, Reshape, read_reshape
from migsafe.plan.replace.column import TWO_NAMES, primary_key
from migsafe.plan.replace.leaving import (
    family_of,
    gets_value,
    parents_of,
    refuse_dependants,
    rename_column,
    tombstone,
)
from migsafe.plan.replace.relax import drop_check, relax_not_null
from migsafe.plan.stages import Stage
from migsafe.plan.sync import derived
from migsafe.plan.sync.columns import (
    Columns,
    Part,
    assignments,
    create_triggers,
    drop_triggers,
    pending,
    set_function,
)
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import ConstraintKind, DropColumn, Expression


def split_columns(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """The rollout of columns that make way for others; None when the operations are something else.

    Raises:
        PlanError: Nobody says how the old columns come from the new ones, or something stands in the way.
    """
    reshape = read_reshape(wanted, scene)
    if reshape is None or not reshape.dropped:
        return None
    recipe = _Recipe(reshape, scene)
    old, new = ", ".join(recipe.old), ", ".join(reshape.added)
    draft = Draft(
        change=Change(
            kind="split_columns",
            summary=f"Replace {old} of {reshape.table.name} by {new} while both are in use",
            subject=reshape.table.name,
            down_map=recipe.down_map(),
            application_change=True,
        ),
        compatibility=TWO_NAMES,
        steps=tuple(recipe.steps()),
        warnings=tuple(dict.fromkeys(recipe.told())),
    )
    return draft, reshape.count


class _Recipe:
    """One split or merge."""

    def __init__(self, reshape: Reshape, scene: Scene) -> None:
        self.reshape, self.scene, self.table = reshape, scene, reshape.table
        derived.refuse_later_triggers(self.table)
        self.old: dict[str, Column] = {}
        self.downs: dict[str, Expression] = {}
        for each in reshape.dropped:
            operation = each.operation
            assert isinstance(operation, DropColumn)  # noqa: S101 -- read_reshape takes no other
            _, column = common.known_column(scene.catalog, operation.table, operation.column)
            self._refuse(column, cascade=operation.cascade)
            self.old[column.name] = column
            self.downs[column.name] = self._down_of(each, column)
        self.constraints = [constraints_of(added.operation, added.wanted, scene) for added in self._added]
        self.sync = self._sync()

    @property
    def _added(self) -> tuple[Added, ...]:
        return tuple(self.reshape.added.values())

    def _refuse(self, column: Column, *, cascade: bool) -> None:
        table = self.table
        refuse_dependants(table, column, self.scene.catalog, cascade=cascade)
        what = f"column {column.name} of {table.name}"
        if column.generated or column.is_serial:
            raise PlanError(f"{what} gets its values from the server, so that nothing can be kept up in it")
        guards = [each.name for each in table.constraints if _could_refuse(each, column)]
        guards += [each.name for each in table.indexes if each.unique and column.name in each.columns]
        if guards:
            raise PlanError(
                f"{what} is under {', '.join(dict.fromkeys(guards))}, which could refuse what the new "
                "version writes as long as the old column is kept up",
                advice="Drop that first, in a migration of its own, when the old version can do without it.",
            )

    def _down_of(self, wanted: Wanted, column: Column) -> Expression:
        if wanted.down is not None:
            found = derived.read(wanted.down)
        else:
            copies = [
                added.name
                for added in self._added
                if added.value is not None and plain_column(added.value) == column.name
            ]
            if not copies:
                raise PlanError(
                    f"nobody says how {column.name} of {self.table.name} comes from "
                    f"{', '.join(self.reshape.added)}, which the version that runs today needs",
                    advice="Write a comment before the statement that drops it: -- migsafe: down EXPRESSION",
                )
            found = derived.read(quote_identifier(copies[0]))
        dropped = set(self._dropped_names())
        wrong = [name for name in found.columns if name in dropped]
        if wrong:
            raise PlanError(f"`migsafe: down {found.text}` reads {wrong[0]}, which is dropped")
        return found

    def _dropped_names(self) -> Iterator[str]:
        for each in self.reshape.dropped:
            if isinstance(each.operation, DropColumn):
                yield each.operation.column

    def _sync(self) -> Columns:
        table, scene = self.table, self.scene
        known = [column.name for column in table.columns]
        values = [*self.downs.values(), *(added.value for added in self._added if added.value)]
        restless = [value.text for value in values if not derived.follows(value, scene.catalog)]
        if restless:
            raise PlanError(f"`{restless[0]}` is another value every time it is computed")
        return Columns(
            rollout=scene.rollout,
            tag=make_tag(str(table.name), *self.old, "to", *self.reshape.added),
            table=table.name,
            key=primary_key(table),
            names=(*known, *self.reshape.added),
            old=tuple(self._old_part(column) for column in self.old.values()),
            new=tuple(self._new_part(added) for added in self._added),
            own_path=any(derived.needs_own_path(value) for value in values),
        )

    def _new_part(self, added: Added) -> Part:
        column, value = without_constraints(added.operation).column, added.value
        assert value is not None  # noqa: S101 -- read_reshape has seen to it
        refuse_table(self.table, column)
        derived.readable(self.table, value)
        types = {each.name: each.type for each in self.table.columns}
        return Part(
            column=column.name,
            type=derived.full_type(column.type, self.scene.catalog),
            value=value,
            default=None if added.default is None else added.default.text,
            exact=derived.has_collations(self.table, column.collation, value),
            never_fails=known_of(value, column.type, types, ()).never_fails,
            not_null=added.not_null or column.not_null,
        )

    def _old_part(self, column: Column) -> Part:
        value = self.downs[column.name]
        collated = any(added.operation.column.collation for added in self._added)
        types = {each.name: each.type for each in self.table.columns}
        types |= {added.name: added.operation.column.type for added in self._added}
        full = [added.name for added in self._added if added.not_null or added.operation.column.not_null]
        known = known_of(value, column.type, types, full)
        return Part(
            column=column.name,
            type=derived.full_type(column.type, self.scene.catalog),
            value=value,
            default=column.default,
            exact=collated or derived.has_collations(self.table, column.collation, value),
            never_fails=known.never_fails,
            not_null=column.not_null and known.never_fails and known.never_null,
        )

    def down_map(self) -> DownMap:
        """Total only where nothing but names changes."""
        plain = all(plain_column(value) for value in self.downs.values())
        return DownMap.TOTAL if plain and len(self.downs) == len(self._added) else DownMap.LOSSY

    def steps(self) -> Iterator[Step]:
        """All steps, in order."""
        yield from self._expand()
        yield from self._fill()
        for added in self._added:
            if added.not_null or added.operation.column.not_null:
                tag = make_tag(str(self.table.name), added.name, "new")
                check = bounded("migsafe_not_null", added.name, tag)
                yield from not_null_steps(self.table.name, added.name, check)
        for steps, _ in self.constraints:
            yield from steps
        yield from self._contract()

    def _expand(self) -> Iterator[Step]:
        table, sync = self.table, self.sync
        for part, column in zip(sync.old, self.old.values(), strict=True):
            if column.not_null and not part.not_null:
                yield relax_not_null(table, column.name)
        for constraint in table.constraints:
            if constraint.kind is ConstraintKind.CHECK and set(self.old) & set(constraint.columns):
                yield drop_check(table, constraint)
        adds: list[str] = []
        for added in self._added:
            adds.append(add_sql(table, without_constraints(added.operation).column, self.scene))
            if added.default is not None:
                alter = f"ALTER TABLE {table.name.sql} ALTER COLUMN {quote_identifier(added.name)}"
                adds.append(f"{alter} SET DEFAULT {added.default.text}")
        yield DdlStep(
            id="expand.add_and_sync",
            stage=Stage.EXPANDED,
            title=f"Add {', '.join(self.reshape.added)} and the triggers that keep both shapes equal",
            sql=(*adds, *create_triggers(sync)),
            undo=(*drop_triggers(sync), *(drop_sql(table, name) for name in self.reshape.added)),
            locks=strong(table.name),
        )

    def _fill(self) -> Iterator[Step]:
        new, old = ", ".join(self.reshape.added), ", ".join(self.old)
        yield BackfillStep(
            id="backfill.copy",
            stage=Stage.BACKFILLED,
            title=f"Fill {new} from {old} in batches",
            table=self.table.name,
            assignments=assignments(self.sync),
            pending=pending(self.sync),
        )
        yield VerifyStep(
            id="verify.rows",
            stage=Stage.VERIFIED,
            title=f"Prove that {new} and {old} say the same in every row",
            table=self.table.name,
            key=self.sync.key,
            mismatch=pending(self.sync),
            again=pending(self.sync),
        )

    def _contract(self) -> Iterator[Step]:
        table, sync = self.table.name, self.sync
        tombs = {name: tombstone(self.table, name) for name in self.old}
        parts = tuple(replace(part, default=None) for part in sync.old)
        at_rest = replace(sync, renamed=tombs, old=parts)
        family = family_of(self.table, self.scene.catalog)
        alter = f"ALTER TABLE {table.sql} ALTER COLUMN"
        defaults = [column for column in self.old.values() if column.default is not None]
        yield DdlStep(
            id="contract.tombstone",
            stage=Stage.TOMBSTONED,
            title=f"Rename {', '.join(self.old)} to tombstones, which are kept up",
            sql=(
                *(f"{alter} {quote_identifier(column.name)} DROP DEFAULT" for column in defaults),
                *(rename_column(table, name, tomb) for name, tomb in tombs.items()),
                *set_function(at_rest),
            ),
            undo=(
                *(rename_column(table, tomb, name) for name, tomb in tombs.items()),
                *(f"{alter} {quote_identifier(each.name)} SET DEFAULT {each.default}" for each in defaults),
                *set_function(sync),
            ),
            locks=strong(*family),
        )
        drops = ", ".join(f"DROP COLUMN {quote_identifier(tomb)}" for tomb in tombs.values())
        yield DdlStep(
            id="contract.drop",
            stage=Stage.DROPPED,
            title=f"Drop {', '.join(tombs.values())} and the triggers: the point of no return",
            sql=(*drop_triggers(sync), f"ALTER TABLE {table.sql} {drops}"),
            locks=strong(*family, *parents_of(self.table, *self.old)),
        )

    def told(self) -> Iterator[str]:
        """What a person must know, most urgent first."""
        table, old, new = self.table.name, ", ".join(self.old), ", ".join(self.reshape.added)
        if self.down_map() is not DownMap.TOTAL:
            yield (
                f"Point of no return for data: what {old} of {table} cannot hold of {new} is lost by going "
                "back, and whatever the old version writes there is taken apart again as the UPDATE says. "
                "What cannot be computed becomes NULL and is counted: see `migsafe status`."
            )
        relaxed = [name for name, part in zip(self.old, self.sync.old, strict=True) if not part.not_null]
        relaxed = [name for name in relaxed if self.old[name].not_null]
        if relaxed:
            yield (
                f"{', '.join(relaxed)} may be NULL from expand on, since the new version's rows may give no "
                "value; going back proves first that no row holds NULL there."
            )
        defaulted = [name for name, column in self.old.items() if gets_value(column)]
        if defaulted:
            yield (
                f"An INSERT of the new version that gives NULL for all of {new} looks like one that does not "
                f"name them, and gets what the default of {', '.join(defaulted)} makes of them."
            )
        for _, told in self.constraints:
            yield from told
        yield from told_of_new_column(self.table)
        yield f"Functions whose bodies mention {old} are not known to the catalog: look for them."


def _could_refuse(constraint: Constraint, column: Column) -> bool:
    """CHECKs are dropped instead, and proven again when the plan is taken back."""
    return column.name in constraint.columns and constraint.kind is not ConstraintKind.CHECK
