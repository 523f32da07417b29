"""A column that leaves its table: what hangs on it, what refuses rows without it, and its tombstone."""

from collections.abc import Iterator

from migsafe.catalog.model import Catalog, Column, Constraint, Table
from migsafe.errors import PlanError, SqlError
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ConstraintKind
from migsafe.sql.rows import read_expression

# A CHECK passes when it is NULL, and so do most over a column that is NULL; these words can make it false.
_SEES_NULL = ("null", "coalesce", "concat", "distinct", "json", "array", "row", "case", "greatest", "least")
_CERTAIN_OF_NULL = frozenset({"lower", "upper", "length", "char_length", "abs", "btrim", "octet_length"})


def gets_value(column: Column) -> bool:
    """Whether the server gives a value to a row that comes without one."""
    return column.default is not None or column.generated is not None or column.is_serial


def may_refuse_null(constraint: Constraint) -> bool:
    """Whether a row with NULL in one of its columns may not satisfy the CHECK."""
    if constraint.kind is not ConstraintKind.CHECK:
        return False
    text = constraint.definition.lower()
    if any(word in text for word in _SEES_NULL) or " or " in text:
        return True
    try:
        called = read_expression(text.removeprefix("check").strip()).functions
    except SqlError:
        return True
    return bool(set(called) - _CERTAIN_OF_NULL)


def refuse_dependants(table: Table, column: Column, catalog: Catalog, *, cascade: bool) -> None:
    """Check that only what belongs to the column alone goes with it.

    Raises:
        PlanError: Something else would go, or stands in the way of rows that come without the column.
    """
    what = f"column {column.name} of {table.name}"
    if not table.columns_complete:
        raise PlanError(
            f"the columns of {table.name} are not all known",
            advice="Give the live database with --database, or its schema with --schema FILE.sql.",
        )
    if table.inherits or (not table.partitioned and any(catalog.children(table.name))):
        raise PlanError(f"{table.name} is part of an inheritance; there is no recipe to drop {what} yet")
    if not column.local:
        raise PlanError(f"{what} belongs to the table that this one is a partition of: drop it there")
    readers = [each.description for each in table.dependents if each.column == column.name]
    readers = [each for each in readers if not each.startswith("privileges ")]
    readers += sorted(_foreign_keys_to(table, column.name, catalog))
    if readers:
        known = ", ".join(sorted(set(readers)))
        how = "CASCADE would drop them too" if cascade else "PostgreSQL refuses to drop it"
        raise PlanError(
            f"{what} is used by: {known}; {how}",
            advice="Make them do without the column first, or drop them, in statements of their own; a view "
            "that the old version reads must go on having it until that version is gone.",
        )
    _refuse_keys(table, column, what)


def _foreign_keys_to(table: Table, column: str, catalog: Catalog) -> Iterator[str]:
    for other in (table.name, *table.referenced_by):
        found = catalog.table(other)
        for constraint in found.constraints if found else ():
            refers = constraint.kind is ConstraintKind.FOREIGN_KEY and constraint.references == table.name
            if refers and column in constraint.referenced_columns:
                yield f"foreign key {constraint.name} of {other}"


def _refuse_keys(table: Table, column: Column, what: str) -> None:
    volatile = column.generated is not None or column.is_serial or "(" in (column.default or "")
    for constraint in table.constraints:
        if column.name not in constraint.columns:
            continue
        if constraint.kind is ConstraintKind.PRIMARY_KEY and not volatile:
            raise PlanError(
                f"{what} is part of the primary key {constraint.name}, and rows of the new version have no "
                "value for it",
                advice="Give the table another primary key first, in a migration of its own.",
            )
        alone = constraint.columns == (column.name,)
        if constraint.kind is ConstraintKind.UNIQUE and alone and column.default and not volatile:
            raise PlanError(
                f"{what} is unique, and every row of the new version would get the same {column.default}",
                advice=f"Drop the constraint {constraint.name} first, in a migration of its own.",
            )
        if " MATCH FULL" in constraint.definition or "NULLS NOT DISTINCT" in constraint.definition:
            raise PlanError(
                f"{constraint.name} of {table.name} refuses rows that come without {column.name}",
                advice="Drop the constraint first, in a migration of its own.",
            )
    for index in table.indexes:
        if index.unique and column.name in index.columns and "NULLS NOT DISTINCT" in index.definition:
            raise PlanError(
                f"index {index.name} of {table.name} refuses rows that come without {column.name}",
                advice="Drop the index first, in a migration of its own.",
            )


def tombstone(table: Table, column: str) -> str:
    """The name under which a column waits to be dropped."""
    return bounded("migsafe_tomb", column, make_tag(str(table.name), column, "drop"))


def family_of(table: Table, catalog: Catalog) -> tuple[Name, ...]:
    """The table and all its partitions, which change together."""
    below = [name for child in catalog.children(table.name) for name in family_of(child, catalog)]
    return (table.name, *below)


def parents_of(table: Table, *columns: str) -> tuple[Name, ...]:
    """The tables that foreign keys of these columns point to: dropping the keys locks them too."""
    found = {each.references for each in table.constraints if set(columns) & set(each.columns)}
    return tuple(sorted((name for name in found if name and name != table.name), key=str))


def rename_column(table: Name, old: str, new: str) -> str:
    """RENAME COLUMN."""
    return f"ALTER TABLE {table.sql} RENAME COLUMN {quote_identifier(old)} TO {quote_identifier(new)}"
