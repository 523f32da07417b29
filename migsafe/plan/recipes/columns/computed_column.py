"""A new column GENERATED ALWAYS AS (...) STORED: an ordinary column that a trigger keeps.

PostgreSQL has no way to make a column generated without writing the whole table anew under a lock that
blocks everything. https://www.postgresql.org/docs/current/ddl-generated-columns.html
"""

from collections.abc import Iterator

from migsafe.catalog.model import Table
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import differs
from migsafe.plan.draft import Scene
from migsafe.plan.model import Step
from migsafe.plan.recipes.columns.new_column import Filling, add_sql, drop_sql, expand_step, filling_steps
from migsafe.plan.sync import derived
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.plan.sync.trigger_text import create_trigger, drop_trigger, trigger_function
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ColumnDefinition

_VIRTUAL_SINCE = 180000


def computed_steps(table: Table, column: ColumnDefinition, scene: Scene) -> Iterator[Step]:
    """The column and its trigger, which stay, and the values of the rows that are there."""
    value = column.generated_as
    if value is None:
        raise PlanError(f"the expression of {column.name} is not known")
    derived.refuse_later_triggers(table)
    columns = derived.readable(table, value)
    quoted = quote_identifier(column.name)
    function, trigger = _names(table, column)
    assign = f"NEW.{quoted} := {derived.row_text(value, columns, 'NEW', table.name)};"
    yield expand_step(
        table,
        column.name,
        f"Add {column.name} and the trigger that computes it for every row that is written",
        (
            add_sql(table, column, scene),
            derived.probe(table.name, {column.name: derived.row_text(value, columns, "NEW", table.name)}),
            trigger_function(function, (assign, "RETURN NEW;"), own_path=derived.needs_own_path(value)),
            create_trigger(trigger, "", "INSERT OR UPDATE", table.name, function),
        ),
        (
            drop_trigger(trigger, table.name),
            f"DROP FUNCTION IF EXISTS {function.sql}()",
            drop_sql(table, column.name),
        ),
    )
    kind = derived.full_type(column.type, scene.catalog)
    typed = f"({value.text})::{derived.type_sql(kind)}"
    exact = "C" if column.collation or derived.has_collations(table, None, value) else None
    filling = Filling(value=f"({value.text})", pending=differs(quoted, typed, kind, collation=exact))
    yield from filling_steps(table, column.name, filling, not_null=column.not_null)


def told_of_computed(table: Table, column: ColumnDefinition, scene: Scene) -> Iterator[str]:
    """What a person must know before anything else."""
    virtual = (
        " A VIRTUAL column is instant, needs no rollout, and is computed when it is read: prefer it where "
        "the column needs no index."
        if scene.server_version >= _VIRTUAL_SINCE
        else ""
    )
    function, trigger = _names(table, column)
    yield (
        f"{column.name} of {table.name} does NOT become a generated column: PostgreSQL can make one only by "
        f"writing the whole table anew while everybody waits. It becomes an ordinary column, which trigger "
        f"{trigger} with function {function} computes for every row that is written, for good; a value that "
        "somebody else gives it is replaced without an error. Where the table is small, or may be locked for "
        f"so long, run the migration as it is instead.{virtual}"
    )


def _names(table: Table, column: ColumnDefinition) -> tuple[Name, str]:
    """The function and its trigger: before the sync triggers in the alphabet, and behind most others."""
    tag = make_tag(str(table.name), column.name, "computed")
    base = f"{table.name.name}_{column.name}"
    return Name(bounded("computed", base, tag), table.name.schema), bounded("zz_computed", base, tag)
