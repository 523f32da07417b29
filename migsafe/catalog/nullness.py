"""NOT NULL: on the column, and from PostgreSQL 18 on as a constraint with a name.

https://www.postgresql.org/docs/18/ddl-constraints.html#DDL-CONSTRAINTS-NOT-NULL
"""

from dataclasses import replace

from migsafe.catalog.find import children, column_or_new, free_constraint_name, known, with_column
from migsafe.catalog.model import Catalog, Constraint, Table
from migsafe.catalog.names import made_up_name
from migsafe.sql.definitions import ConstraintKind
from migsafe.sql.names import Name

NAMED_SINCE = 180000


def set_not_null(
    catalog: Catalog,
    name: Name,
    column: str,
    *,
    constraint: str | None = None,
    validated: bool = True,
    no_inherit: bool = False,
    only: bool = False,
    inherited: bool = False,
) -> Catalog:
    """The catalog in which a column is NOT NULL, on the table and below it."""
    table = known(catalog, name)
    found = column_or_new(table, column)
    if found is None:
        return catalog
    old = not_null_constraint(table, column)
    if old:
        # What is there keeps its name; once it is not NOT VALID it is valid.
        now = replace(old, validated=old.validated or validated, inherited=old.inherited and inherited)
    else:
        now = Constraint(
            name=constraint
            or made_up_name(
                table.name.name,
                ConstraintKind.NOT_NULL,
                (column,),
                free_constraint_name(catalog, table.name.schema),
            ),
            kind=ConstraintKind.NOT_NULL,
            columns=(column,),
            definition=f"NOT NULL {column}",
            validated=validated and (not found.not_null or validated),
            no_inherit=no_inherit,
            inherited=inherited,
        )
    table = with_column(table, replace(found, not_null=found.not_null or now.validated))
    if names_not_null(catalog):
        table = replace(table, not_nulls=(*(c for c in table.not_nulls if c is not old), now))
    catalog = catalog.with_table(table)
    if no_inherit or (only and not table.partitioned):
        return catalog
    for child in children(catalog, table.name):
        catalog = set_not_null(
            catalog, child.name, column, constraint=now.name, validated=now.validated, inherited=True
        )
    return catalog


def drop_not_null(catalog: Catalog, name: Name, column: str, *, only: bool = False) -> Catalog:
    """The catalog in which a column may be NULL, also below where it was NOT NULL because of this table."""
    table = known(catalog, name)
    found = column_or_new(table, column)
    if found is None:
        return catalog
    left = tuple(each for each in table.not_nulls if column not in each.columns)
    table = replace(with_column(table, replace(found, not_null=False)), not_nulls=left)
    catalog = catalog.with_table(table)
    if only:
        return catalog
    for child in children(catalog, table.name):
        own = not_null_constraint(child, column)
        if own and (not own.inherited or demanded(catalog, child, column)):
            continue
        catalog = drop_not_null(catalog, child.name, column)
    return catalog


def not_null_constraint(table: Table, column: str) -> Constraint | None:
    """The named NOT NULL constraint of a column, if there is one."""
    return next((each for each in table.not_nulls if column in each.columns), None)


def names_not_null(catalog: Catalog) -> bool:
    """Whether this server keeps NOT NULL as constraints; the newest kind is taken when it is not known."""
    return catalog.server_version is None or catalog.server_version >= NAMED_SINCE


def demanded(catalog: Catalog, table: Table, column: str) -> bool:
    """Whether a parent still says that the column is NOT NULL."""
    parents = (catalog.tables.get(parent) for parent in table.parents)
    return any(parent is not None and _is_not_null(parent, column) for parent in parents)


def _is_not_null(table: Table, column: str) -> bool:
    found = table.column(column)
    return found is not None and found.not_null
