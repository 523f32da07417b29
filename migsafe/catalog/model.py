"""The schema at a point in time, as data.

A catalog is immutable from the outside: `with_table`, `without_table` and their like return a new one, which
shares what did not change. `complete` tells whether what is not in it does not exist (a live server, a dump)
or may exist all the same (a history whose beginning was not given).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter

from migsafe.catalog.circles import without_circle, without_itself
from migsafe.catalog.lookup import Lookup
from migsafe.catalog.objects import (
    UNKNOWN_TYPE,
    Column,
    ColumnExtras,
    Constraint,
    Counting,
    Dependent,
    Domain,
    Extension,
    Function,
    Grant,
    Index,
    Sequence,
    Table,
    Trigger,
    TypeKind,
    UserType,
    View,
    Volatility,
)
from migsafe.catalog.persistent import NameMap, drop, put
from migsafe.sql.definitions import TypeName
from migsafe.sql.names import Name

__all__ = [
    "DEFAULT_SCHEMA",
    "TEMPORARY_SCHEMA",
    "UNKNOWN_TYPE",
    "Catalog",
    "Column",
    "ColumnExtras",
    "Constraint",
    "Counting",
    "Dependent",
    "Domain",
    "Extension",
    "Function",
    "Grant",
    "Index",
    "Sequence",
    "Table",
    "Trigger",
    "TypeKind",
    "UserType",
    "View",
    "Volatility",
    "qualified",
]

DEFAULT_SCHEMA = "public"
TEMPORARY_SCHEMA = "pg_temp"  # whatever the server calls this session's


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All that is known of a schema at one point.

    `types` are the types known to be no domains; `domains` are the others. `search_path` is where names
    without a schema are looked for, `session_path` what it goes back to after SET LOCAL, and `default_path`
    after RESET. `transaction` counts transactions, so that what the present one made can be told;
    `temporaries` end with the session. `doubts`
    says what may have changed the schema in ways that nobody can read from the scripts (a DO block that
    builds its SQL, a statement that was not understood): then nothing here is certain.
    """

    tables: Mapping[Name, Table] = field(default_factory=NameMap)
    types: Mapping[Name, UserType] = field(default_factory=NameMap)
    complete: bool = False
    server_version: int | None = None  # server_version_num, e.g. 180006
    views: Mapping[Name, View] = field(default_factory=NameMap)
    sequences: Mapping[Name, Sequence] = field(default_factory=NameMap)
    domains: Mapping[Name, Domain] = field(default_factory=NameMap)
    functions: Mapping[Name, tuple[Function, ...]] = field(default_factory=NameMap)
    extensions: Mapping[str, Extension] = field(default_factory=dict)
    schemas: frozenset[str] = frozenset({DEFAULT_SCHEMA})
    search_path: tuple[str, ...] = (DEFAULT_SCHEMA,)
    session_path: tuple[str, ...] | None = field(default=None, compare=False)
    default_path: tuple[str, ...] = (DEFAULT_SCHEMA,)
    doubts: tuple[str, ...] = ()
    transaction: int = field(default=0, compare=False)
    temporaries: frozenset[Name] = field(default=frozenset(), compare=False)
    _lookup: Lookup | None = field(default=None, compare=False, repr=False)
    _resolved: dict[Name, Name] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("tables", "types", "views", "sequences", "domains", "functions"):
            found = getattr(self, name)
            if not isinstance(found, NameMap):
                object.__setattr__(self, name, NameMap(found))

    @property
    def lookup(self) -> Lookup:
        """Which table an index belongs to, and other questions that would need a search."""
        found = self._lookup
        if found is None or found.tables is not self.tables or found.views is not self.views:
            found = Lookup.of(self.tables, self.views)
            object.__setattr__(self, "_lookup", found)
        return found

    def table(self, name: Name) -> Table | None:
        """The table of this name, or None when it is not known."""
        return self.tables.get(self.resolve(name))

    def view(self, name: Name) -> View | None:
        """The view or materialized view of this name, or None when it is not known."""
        return self.views.get(self.resolve(name))

    def sequence(self, name: Name) -> Sequence | None:
        """The sequence of this name, or None when it is not known."""
        return self.sequences.get(self.resolve(name))

    def has_relation(self, name: Name) -> bool:
        """Whether a qualified name is that of a table, view, sequence, index or composite type."""
        kind = self.types.get(name)
        return (
            name in self.tables
            or name in self.views
            or name in self.sequences
            or name in self.lookup.index_owner
            or (kind is not None and kind.kind is TypeKind.COMPOSITE)
        )

    def resolve(self, name: Name) -> Name:
        """The qualified name of the relation that PostgreSQL would find under this one.

        What is not known anywhere on the search path is taken to be where it would be created.
        """
        if name.schema:
            return name
        # One statement asks for the same few names over and over: a tenth of all time without this.
        found = self._resolved.get(name)
        if found is None:
            found = self._resolved[name] = self._resolve(name.name)
        return found

    def _resolve(self, name: str) -> Name:
        for schema in (TEMPORARY_SCHEMA, *self.search_path):
            candidate = Name(name, schema)
            if self.has_relation(candidate):
                return candidate
        return Name(name, self.creation_schema)

    def resolve_type(self, written: TypeName) -> Name | None:
        """The qualified name of the user's type or domain meant; None when none is known."""
        schemas = (written.schema,) if written.schema else (TEMPORARY_SCHEMA, *self.search_path)
        for schema in schemas:
            name = Name(written.name, schema)
            if name in self.types or name in self.domains or name in self.tables or name in self.views:
                return name
        return None

    def domain(self, written: TypeName) -> Domain | None:
        """The domain that this type is, arrays left out; None when it is none that is known."""
        name = self.resolve_type(written)
        return self.domains.get(name) if name else None

    def functions_named(self, name: Name) -> tuple[Function, ...]:
        """All overloads of a function that an unqualified or qualified call may mean."""
        schemas = (name.schema,) if name.schema else self.search_path
        return tuple(each for schema in schemas for each in self.functions.get(Name(name.name, schema), ()))

    @property
    def creation_schema(self) -> str:
        """Where a new object without a schema goes: the first schema of the search path that exists."""
        for schema in self.search_path:
            if not self.complete or schema in self.schemas or schema == TEMPORARY_SCHEMA:
                return schema
        return DEFAULT_SCHEMA

    def created_now(self, table: Table | View) -> bool:
        """Whether the present transaction made it, so that nobody else can see it."""
        return table.created_by is not None and table.created_by == self.transaction

    def children(self, name: Name) -> Iterator[Table]:
        """The partitions of a table, or the tables that inherit from it, without theirs."""
        for child in self.lookup.children.get(self.resolve(name), ()):
            if table := self.tables.get(child):
                yield table

    def with_table(self, table: Table) -> "Catalog":
        """A catalog in which this table is as given."""
        name = qualified(table.name)
        if name is not table.name:
            table = replace(table, name=name)
        if table.parents:
            table = without_circle(table, self.tables)
        tables = put(self.tables, name, table)
        lookup = self.lookup.moved(self.tables.get(name), table, tables)
        return self._noting(name).changed(tables=tables, _lookup=lookup)

    def in_next_transaction(self) -> "Catalog":
        """The catalog in a transaction that has made nothing yet."""
        changed = self.changed(transaction=self.transaction + 1)
        object.__setattr__(changed, "_resolved", self._resolved)  # the relations are the same
        return changed

    def without_table(self, name: Name) -> "Catalog":
        """A catalog that does not know this table."""
        gone = self.resolve(name)
        old = self.tables.get(gone)
        if old is None:
            return self
        tables = drop(self.tables, gone)
        return replace(self, tables=tables, _lookup=self.lookup.moved(old, None, tables))

    def with_view(self, view: View) -> "Catalog":
        """A catalog in which this view is as given."""
        view = without_itself(view, self.views)
        views = put(self.views, view.name, view)
        lookup = self.lookup.moved_view(self.views.get(view.name), view, views)
        return replace(self._noting(view.name), views=views, _lookup=lookup)

    def without_view(self, name: Name) -> "Catalog":
        """A catalog that does not know this view."""
        old = self.views.get(name)
        if old is None:
            return self
        views = drop(self.views, name)
        return replace(self, views=views, _lookup=self.lookup.moved_view(old, None, views))

    def with_sequence(self, sequence: Sequence) -> "Catalog":
        """A catalog in which this sequence is as given."""
        sequences = put(self.sequences, sequence.name, sequence)
        return replace(self._noting(sequence.name), sequences=sequences)

    def changed(self, **values: object) -> "Catalog":
        """As dataclasses.replace in half of its time (4 % of all): every statement makes a catalog or two."""
        made = object.__new__(Catalog)
        for name, value in zip(_FIELDS, _VALUES(self), strict=True):
            object.__setattr__(made, name, values.get(name, value))
        object.__setattr__(made, "_resolved", {})
        return made

    def _noting(self, name: Name) -> "Catalog":
        """The session's temporary relations are found again when it ends."""
        if name.schema != TEMPORARY_SCHEMA or name in self.temporaries:
            return self
        return replace(self, temporaries=self.temporaries | {name})

    def with_doubt(self, doubt: str) -> "Catalog":
        """A catalog of which nothing is certain any more, and why."""
        doubts = self.doubts if doubt in self.doubts else (*self.doubts, doubt)
        return replace(self, complete=False, doubts=doubts)


_FIELDS = tuple(each.name for each in fields(Catalog) if each.init)
_VALUES = attrgetter(*_FIELDS)


def qualified(name: Name) -> Name:
    """The name with the default schema filled in, whatever the search path is: see Catalog.resolve."""
    return name if name.schema else Name(name.name, DEFAULT_SCHEMA)
