"""The schema at a point in time, as data.

A catalog is immutable from the outside: `with_table` and `without_table` return a new one.
`complete` tells whether a table that is not in it does not exist (a live server, a dump) or may exist
all the same (a history whose beginning was not given).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintKind, Generated, TypeName

DEFAULT_SCHEMA = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; `type` is exact, with modifiers."""

    name: str
    type: TypeName
    not_null: bool = False
    default: str | None = None
    generated: Generated | None = None
    is_serial: bool = False
    collation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint; `definition` is what pg_get_constraintdef() gives, without NOT VALID."""

    name: str
    kind: ConstraintKind
    columns: tuple[str, ...]
    definition: str
    validated: bool = True
    references: Name | None = None
    referenced_columns: tuple[str, ...] = ()
    index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index; `definition` is what pg_get_indexdef() gives (empty when replayed)."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    valid: bool = True
    definition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A user's trigger; `before_row` says whether it can change the row that is written."""

    name: str
    before_row: bool
    definition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """Something that reads one column: a view, a policy, a generated column, a function ..."""

    column: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with all that belongs to it.

    `created_in` is the script that made it, None when it was there before. `row_estimate` (rows) and
    `size_bytes` are known from a live server only.
    """

    name: Name
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    dependents: tuple[Dependent, ...] = ()
    referenced_by: tuple[Name, ...] = ()
    temporary: bool = False
    partitioned: bool = False
    partition_of: Name | None = None
    default_partition: bool = False
    row_estimate: int | None = None
    size_bytes: int | None = None
    created_in: str | None = None
    columns_complete: bool = True

    def column(self, name: str) -> Column | None:
        """The column of this name, or None."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All tables known at one point. Unqualified names mean the schema `public`.

    `types` are the enums, composite and other types known to be no domains.
    """

    tables: Mapping[Name, Table] = field(default_factory=dict)
    types: frozenset[Name] = frozenset()
    complete: bool = False
    server_version: int | None = None  # server_version_num, e.g. 180006

    def table(self, name: Name) -> Table | None:
        """The table of this name, or None when it is not known."""
        return self.tables.get(qualified(name))

    def with_table(self, table: Table) -> "Catalog":
        """A catalog in which this table is as given."""
        name = qualified(table.name)
        return replace(self, tables={**self.tables, name: replace(table, name=name)})

    def without_table(self, name: Name) -> "Catalog":
        """A catalog that does not know this table."""
        gone = qualified(name)
        return replace(self, tables={key: value for key, value in self.tables.items() if key != gone})


def qualified(name: Name) -> Name:
    """The name with the default schema filled in."""
    return name if name.schema else Name(name.name, DEFAULT_SCHEMA)
