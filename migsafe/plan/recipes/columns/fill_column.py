"""New columns that are filled from others: the version that does not know them has a trigger fill them.

ADD COLUMN and UPDATE, or ADD COLUMN with `-- migsafe: up EXPRESSION`; NOT NULL or not.
"""

from collections.abc import Iterator, Sequence

from migsafe.plan.conversion.expressions import known_of
from migsafe.plan.draft import EITHER, Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, DownMap, Step
from migsafe.plan.recipes.columns.inline_constraints import constraints_of, without_constraints
from migsafe.plan.recipes.columns.new_column import (
    Filling,
    add_sql,
    drop_sql,
    expand_step,
    filling_steps,
    refuse_table,
    told_of_new_column,
)
from migsafe.plan.recipes.columns.reshape import Added, Reshape, read_reshape
from migsafe.plan.replace.column import TWO_NAMES, primary_key
from migsafe.plan.stages import Stage
from migsafe.plan.sync import derived
from migsafe.plan.sync.derived import Derived
from migsafe.plan.sync.pair import make_tag
from migsafe.sql.names import quote_identifier


def fill_columns(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """The rollout of columns that are added and filled; None when the operations are something else.

    Raises:
        PlanError: There is no way for one of them.
    """
    reshape = read_reshape(wanted, scene)
    if reshape is None or reshape.dropped:
        return None
    table = reshape.table
    parts = [_Part(added, reshape, scene) for added in reshape.added.values()]
    names = ", ".join(reshape.added)
    synced = any(part.derived is not None for part in parts)
    draft = Draft(
        change=Change(
            kind="add_column",
            summary=f"Add {names} to {table.name}, filled in batches and for every row that comes without",
            subject=table.name,
            down_map=DownMap.TOTAL,
            application_change=synced,
        ),
        compatibility=TWO_NAMES if synced else EITHER,
        steps=tuple(step for part in parts for step in part.steps()),
        warnings=tuple(dict.fromkeys(told for part in parts for told in part.told())),
    )
    return draft, reshape.count


class _Part:
    """One of the columns."""

    def __init__(self, added: Added, reshape: Reshape, scene: Scene) -> None:
        assert added.value is not None  # noqa: S101 -- read_reshape has seen to it
        self.table, self.added, self.scene, self.value = reshape.table, added, scene, added.value
        self.column = without_constraints(added.operation).column
        self.not_null = added.not_null or self.column.not_null
        refuse_table(self.table, self.column)
        # With a default, every row that comes has a value already: nothing is left for a trigger to do.
        self.derived = None if added.default is not None else self._derived()
        self.constraints = constraints_of(added.operation, added.wanted, scene)

    def _derived(self) -> Derived:
        table, value = self.table, self.value
        derived.refuse_later_triggers(table)
        types = {each.name: each.type for each in table.columns}
        return Derived(
            rollout=self.scene.rollout,
            tag=make_tag(str(table.name), self.column.name, "up"),
            table=table.name,
            key=primary_key(table),
            column=self.column.name,
            type=derived.full_type(self.column.type, self.scene.catalog),
            value=value,
            columns=derived.readable(table, value),
            exact=derived.has_collations(table, self.column.collation, value),
            follows=derived.follows(value, self.scene.catalog),
            never_fails=known_of(value, self.column.type, types, ()).never_fails,
            own_path=derived.needs_own_path(value),
        )

    def steps(self) -> Iterator[Step]:
        """All steps of the column."""
        name = self.column.name
        quoted = quote_identifier(name)
        yield self._expand()
        text = self.value.text
        filling = Filling(value=text, pending=f"{quoted} IS NULL AND ({text}) IS NOT NULL")
        yield from filling_steps(self.table, name, filling, not_null=self.not_null)
        yield from self.constraints[0]
        if self.derived is not None:
            yield DdlStep(
                id=f"contract.{name}.fill",
                stage=Stage.TOMBSTONED,
                title=f"Stop to fill {name}: no version is left that does not know it",
                sql=derived.drop_triggers(self.derived),
                undo=derived.create_triggers(self.derived),
                locks=strong(self.table.name),
            )

    def _expand(self) -> Step:
        table, name = self.table, self.column.name
        add, drop = add_sql(table, self.column, self.scene), drop_sql(table, name)
        if self.derived is None:
            default = self.added.default
            assert default is not None  # noqa: S101 -- that is why there is no trigger
            alter = f"ALTER TABLE {table.name.sql} ALTER COLUMN {quote_identifier(name)}"
            set_default = f"{alter} SET DEFAULT {default.text}"
            return expand_step(
                table, name, f"Add {name}; only new rows get its default", (add, set_default), (drop,)
            )
        return expand_step(
            table,
            name,
            f"Add {name} and the triggers that fill it for the version that does not know it",
            (add, *derived.create_triggers(self.derived)),
            (*derived.drop_triggers(self.derived), drop),
        )

    def told(self) -> Iterator[str]:
        """What a person must know."""
        name, table = self.column.name, self.table.name
        if self.derived is not None:
            yield (
                f"Until the old version is gone, {name} of {table} is `{self.value.text}` in every row that "
                "comes without a value, and follows when what that reads is changed while the row still has "
                "the value that it gave; a value of the new version's own stays."
            )
            if self.not_null:
                yield (
                    f"Where `{self.value.text}` gives NULL, a write of the old version fails once {name} "
                    "refuses NULL: see to it that it always has a value."
                )
            else:
                yield (
                    f"A NULL that the new version writes into {name} looks to a trigger like no value, and "
                    "is filled until the old version is gone."
                )
        yield from self.constraints[1]
        yield from told_of_new_column(self.table)
