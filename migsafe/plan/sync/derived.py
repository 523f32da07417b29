"""A column that one version of the application does not know: triggers give it the value of an expression.

A row that comes without a value gets that of the expression. When a write changes what the expression
reads, and leaves the column as the expression had made it, the column follows; once somebody has given it
another value, it is left alone. A write of the application never fails because of it: what the expression
cannot be computed for stays as it is, and is noted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from migsafe.catalog.model import Catalog, Table
from migsafe.effects.volatility import is_known
from migsafe.errors import PlanError, SqlError
from migsafe.plan.conversion.conversions import differs
from migsafe.plan.conversion.expressions import is_restless
from migsafe.plan.sync.pair import LEDGER_SCHEMA, bounded, fires_after_sync
from migsafe.plan.sync.trigger_text import (
    create_trigger,
    drop_trigger,
    fire_always,
    guarded,
    note,
    trigger_function,
    trigger_name,
)
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import Expression, Generated, TypeName
from migsafe.sql.rows import of_row, read_expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """`column` of `table` has the value of `value`, an expression over the table's own rows.

    `columns` are the table's by the names that the expression uses, each with its name of the moment; the
    column itself has its name of the moment in `column`.
    """

    rollout: str
    tag: str
    table: Name
    key: tuple[str, ...]
    column: str
    type: TypeName
    value: Expression
    columns: Mapping[str, str]
    exact: bool = False  # compare byte for byte: a collation of its own is involved
    follows: bool = True
    never_fails: bool = False
    own_path: bool = False

    @property
    def function(self) -> Name:
        """The trigger function; it lives in the ledger's schema, out of the application's sight."""
        return Name(bounded("fill", self.table.name, self.tag), LEDGER_SCHEMA)

    @property
    def triggers(self) -> tuple[str, str]:
        """The names of the INSERT and the UPDATE trigger."""
        return (trigger_name(self.tag, "insert"), trigger_name(self.tag, "update"))

    def of(self, row: str) -> str:
        """The expression over a row variable, or over the table's own columns for an empty `row`."""
        return row_text(self.value, self.columns, row, self.table)


def row_text(value: Expression, columns: Mapping[str, str], row: str, table: Name) -> str:
    """The expression over a row variable.

    Raises:
        PlanError: It reads something else than the columns of its row.
    """
    unknown = [name for name in value.columns if name not in columns and name != table.name]
    if unknown:
        raise PlanError(f"`{value.text}` reads {unknown[0]}, which is no column of {table}")
    try:
        return of_row(value.text, columns, row, qualifiers=(table.name,))
    except SqlError as error:
        raise PlanError(f"the expression {error.message}") from error


def same_names(*names: str) -> dict[str, str]:
    """These columns under the names that they have."""
    return {name: name for name in names}


def probe(table: Name, values: Mapping[str, str]) -> str:
    """A query that finds nothing, and fails where an expression over NEW is not possible at all.

    It runs in the transaction that makes the triggers: a mistake in an expression stops the plan, not the
    application.
    """
    listed = ", ".join(values.values())
    return f"SELECT {listed} FROM {table.sql} AS new WHERE false"


def create_triggers(derived: Derived) -> tuple[str, ...]:
    """The function and its two triggers, with the probe of the expression before them."""
    quoted = quote_identifier(derived.column)
    empty = f"NEW.{quoted} IS NULL"
    insert, update = derived.triggers
    when = empty
    sources = _sources(derived)
    if derived.follows and sources:
        given = _unequal(derived, f"OLD.{quoted}", f"NEW.{quoted}")
        # Compared byte for byte: nothing needs to be known of their types.
        changed = " OR ".join(f"ROW(OLD.{each})::record *<> ROW(NEW.{each})::record" for each in sources)
        when = f"{empty} OR (NOT ({given}) AND ({changed}))"
    return (
        probe(derived.table, {derived.column: derived.of("NEW")}),
        _function(derived),
        create_trigger(insert, empty, "INSERT", derived.table, derived.function),
        create_trigger(update, when, "UPDATE", derived.table, derived.function),
        fire_always(derived.table, derived.triggers),
    )


def drop_triggers(derived: Derived) -> tuple[str, ...]:
    """The way back from `create_triggers`."""
    names = tuple(drop_trigger(name, derived.table) for name in derived.triggers)
    return (*names, f"DROP FUNCTION IF EXISTS {derived.function.sql}()")


def fill_function(derived: Derived) -> str:
    """The function alone, for a column that has changed its name."""
    return _function(derived)


def _function(derived: Derived) -> str:
    column = f"NEW.{quote_identifier(derived.column)}"
    assign = f"{column} := {derived.of('NEW')};"
    body: tuple[str, ...] = (assign,)
    if derived.follows and _sources(derived):
        made = f"({derived.of('OLD')})::{type_sql(derived.type)}"
        other = _unequal(derived, f"OLD.{quote_identifier(derived.column)}", made)
        body = (f"IF {column} IS NULL OR NOT ({other}) THEN", f"    {assign}", "END IF;")
    if not derived.never_fails:
        told = note(derived.rollout, derived.table, derived.key, "unrepresentable")
        body = guarded(body, (told,))
    return trigger_function(derived.function, (*body, "RETURN NEW;"), own_path=derived.own_path)


def _sources(derived: Derived) -> tuple[str, ...]:
    names = dict.fromkeys(derived.columns[name] for name in derived.value.columns if name in derived.columns)
    return tuple(quote_identifier(name) for name in names)


def _unequal(derived: Derived, left: str, right: str) -> str:
    return differs(left, right, derived.type, collation="C" if derived.exact else None)


def needs_own_path(value: Expression) -> bool:
    """Whether it may call or name something that PostgreSQL itself has not brought."""
    words = value.text.lower()
    return "::" in words or " as " in words or not all(is_known(each) for each in value.functions)


def read(text: str) -> Expression:
    """The expression that a person gave.

    Raises:
        PlanError: It is none, or it looks into other tables.
    """
    try:
        return read_expression(text)
    except SqlError as error:
        raise PlanError(
            error.message, advice="Give an expression over the columns of the same row, without SELECT."
        ) from error


def readable(table: Table, value: Expression) -> dict[str, str]:
    """The columns that an expression over a row of the table may read.

    Raises:
        PlanError: It reads a generated column, which has no value yet when the triggers fire.
    """
    for column in table.columns:
        generated = column.generated is not None and column.generated is not Generated.IDENTITY
        if generated and column.name in value.columns:
            raise PlanError(
                f"`{value.text}` reads {column.name} of {table.name}, which is generated: a trigger before "
                "the write does not see its value",
                advice="Write the expression of that column in its place.",
            )
    return same_names(*(column.name for column in table.columns))


def has_collations(table: Table, own: object, value: Expression) -> bool:
    """Whether comparing the column with the expression could meet two collations."""
    read_columns = (table.column(name) for name in value.columns)
    return own is not None or any(each is not None and each.collation is not None for each in read_columns)


def follows(value: Expression, catalog: Catalog) -> bool:
    """Whether its value can be computed again, to see whether a row still has it."""
    return not is_restless(value, catalog)


def refuse_later_triggers(table: Table) -> None:
    """Check that the row is final when ours see it.

    Raises:
        PlanError: A trigger fires after them and could change it again.
    """
    late = [each.name for each in table.triggers if each.before_row and fires_after_sync(each.name)]
    if late:
        raise PlanError(
            f"trigger {late[0]} on {table.name} would fire after the sync triggers and could undo their work",
            advice=f"Rename it: ALTER TRIGGER {late[0]} ON {table.name} RENAME TO a_{late[0]};",
        )


def full_type(kind: TypeName, catalog: Catalog) -> TypeName:
    """The type with its schema where a user made it, so that no search path matters."""
    found = catalog.resolve_type(kind)
    return kind if found is None else replace(kind, name=found.name, schema=found.schema)


def type_sql(kind: TypeName) -> str:
    """The type as SQL, with quotes where its name needs them."""
    if kind.schema is None:
        return str(kind)
    modifiers = f"({','.join(kind.modifiers)})" if kind.modifiers else ""
    return f"{Name(kind.name, kind.schema).sql}{modifiers}{'[]' * kind.array_dimensions}"
