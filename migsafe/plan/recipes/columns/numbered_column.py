"""A new serial or identity column: new rows are numbered from the first moment, the others in batches.

An identity column must be NOT NULL from the start, so its sequence is an ordinary one until every row has
its number. https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-GENERATED-IDENTITY
"""

from collections.abc import Iterator

from migsafe.catalog.model import Table
from migsafe.catalog.replay import apply
from migsafe.errors import PlanError
from migsafe.plan.draft import Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import DdlStep, Step
from migsafe.plan.recipes.columns.new_column import Filling, add_sql, drop_sql, expand_step, filling_steps
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.cursor import Cursor
from migsafe.sql.lex import lex
from migsafe.sql.names import Name, quote_identifier, quote_literal
from migsafe.sql.operations import AddColumn, ColumnDefinition


def serial_steps(table: Table, operation: AddColumn, scene: Scene) -> Iterator[Step]:
    """The column, its sequence and its numbers."""
    column = operation.column
    after = apply(scene.catalog, operation).table(table.name)
    made = after.column(column.name) if after else None
    if made is None or not made.sequences:
        raise PlanError(f"the name of the sequence of {column.name} cannot be told")
    sequence = made.sequences[0]
    yield expand_step(
        table,
        column.name,
        f"Add {column.name} with its sequence; only new rows get a number",
        (f"CREATE SEQUENCE {sequence.sql} AS {column.type}", *_numbering(table, column, sequence, scene)),
        (drop_sql(table, column.name),),
    )
    yield from _numbers(table, column, sequence)


def identity_steps(table: Table, column: ColumnDefinition, wanted: Wanted, scene: Scene) -> Iterator[Step]:
    """The column, a sequence for the time being, its numbers, then its identity, which goes on from there."""
    tag = make_tag(str(table.name), column.name, "identity")
    sequence = Name(bounded("migsafe_seq", column.name, tag), table.name.schema)
    kind, options = _identity(wanted.sql)
    make = (
        f"CREATE SEQUENCE {sequence.sql} AS {column.type}{options}",
        # An identity column asks for no right on its sequence; so must this one not.
        f"GRANT USAGE ON SEQUENCE {sequence.sql} TO PUBLIC",
    )
    yield expand_step(
        table,
        column.name,
        f"Add {column.name}; only new rows get a number",
        (*make, *_numbering(table, column, sequence, scene)),
        (drop_sql(table, column.name),),
    )
    yield from _numbers(table, column, sequence)
    alter = f"ALTER TABLE {table.name.sql} ALTER COLUMN {quote_identifier(column.name)}"
    brackets = f" ({options.strip()})" if options else ""
    own = f"pg_catalog.pg_get_serial_sequence({quote_literal(table.name.sql)}, {quote_literal(column.name)})"
    yield DdlStep(
        id=f"verify.{column.name}.identity",
        stage=Stage.VERIFIED,
        title=f"Make {column.name} the identity that it should be, which goes on where the numbers stand",
        sql=(
            f"{alter} DROP DEFAULT",
            # Else it would be this one that pg_get_serial_sequence() finds.
            f"ALTER SEQUENCE {sequence.sql} OWNED BY NONE",
            f"{alter} ADD GENERATED {kind} AS IDENTITY{brackets}",
            f"SELECT pg_catalog.setval({own}, {_next(sequence)}, false)",
            f"DROP SEQUENCE {sequence.sql}",
        ),
        undo=(
            *make,
            f"SELECT pg_catalog.setval({_literal(sequence)}, pg_catalog.nextval({own}), false)",
            f"{alter} DROP IDENTITY",
            f"{alter} SET DEFAULT {_next(sequence)}",
            f"ALTER SEQUENCE {sequence.sql} OWNED BY {table.name.sql}.{quote_identifier(column.name)}",
        ),
        locks=strong(table.name),
    )


def told_of_numbers(table: Table, column: ColumnDefinition) -> Iterator[str]:
    """What a person must know of the numbers."""
    yield (
        f"New rows of {table.name} are numbered first, from the beginning, and those that are there behind "
        f"them, as they are come upon: {column.name} says nothing about which row is older."
    )
    if column.is_serial:
        yield (
            f"Every role that inserts into {table.name} needs USAGE on the sequence of {column.name} from "
            "the first step on, the version that runs today too; an identity column needs no such right."
        )


def _numbering(table: Table, column: ColumnDefinition, sequence: Name, scene: Scene) -> tuple[str, ...]:
    quoted = quote_identifier(column.name)
    return (
        add_sql(table, column, scene),
        f"ALTER TABLE {table.name.sql} ALTER COLUMN {quoted} SET DEFAULT {_next(sequence)}",
        f"ALTER SEQUENCE {sequence.sql} OWNED BY {table.name.sql}.{quoted}",
    )


def _numbers(table: Table, column: ColumnDefinition, sequence: Name) -> Iterator[Step]:
    filling = Filling(value=_next(sequence), pending=f"{quote_identifier(column.name)} IS NULL")
    return filling_steps(table, column.name, filling, not_null=True)


def _next(sequence: Name) -> str:
    return f"nextval({_literal(sequence)})"


def _literal(sequence: Name) -> str:
    return f"{quote_literal(sequence.sql)}::regclass"


def _identity(sql: str) -> tuple[str, str]:
    """ALWAYS or BY DEFAULT, and the options of the sequence, with a blank before them."""
    cursor = Cursor(sql, lex(sql))
    cursor.before("generated")
    cursor.expect("generated")
    kind = "ALWAYS" if cursor.take("always") else "BY DEFAULT"
    cursor.before("identity")
    cursor.expect("identity")
    options = cursor.inside().source() if cursor.at_words("(") else ""
    if "sequence" in options.lower().split():
        raise PlanError(f"the identity's sequence has a name of its own: {options}", advice="Leave it out.")
    return kind, f" {options}" if options else ""
