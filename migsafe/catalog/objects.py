"""What a schema is made of, as data: tables, views, types, functions, sequences and their parts.

Names are always qualified. What is marked "live only" stays empty when scripts are replayed: PostgreSQL's
own wording of an expression cannot be had without PostgreSQL.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from migsafe.sql.definitions import ConstraintKind, Generated, TypeName
from migsafe.sql.names import Name

UNKNOWN_TYPE = TypeName(name="")
_BIGINT = TypeName(name="bigint")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnExtras:
    """What else a column has on a live server, in PostgreSQL's words.

    `collation` is qualified. `grants` are such as "SELECT TO reader"; `settings` and `storage` are actions of
    ALTER COLUMN, of which a change of type takes away the latter.
    """

    collation: str | None = None
    identity_always: bool = False
    comment: str | None = None
    grants: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    storage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; `type` is exact, with modifiers.

    `default` is an expression as written, or as pg_get_expr() gives it. `not_null` says that no NULL can be
    in it: a NOT NULL constraint that is NOT VALID does not count. `sequences` are those it owns, which go
    with it; `is_serial` says that its default comes from one. `local` is False where the column is there only
    because a parent has it. `assumed` marks what IF NOT EXISTS made, or found in another
    shape, and a default that counts with the sequence of another column.
    """

    name: str
    type: TypeName
    not_null: bool = False
    default: str | None = None
    generated: Generated | None = None
    generated_as: str | None = None
    is_serial: bool = False
    collation: str | None = None
    sequences: tuple[Name, ...] = ()
    local: bool = True
    assumed: bool = False
    extras: ColumnExtras | None = field(default=None, compare=False)  # live only


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint; `definition` is what pg_get_constraintdef() gives, without NOT VALID, or as written.

    `inherited` is True where it is there only because a parent has it; `parent` is the name that a
    partition's foreign key has there. A constraint that is NOT ENFORCED is not validated either.
    `referenced_index` is the one that a foreign key needs at the other table (live only).
    """

    name: str
    kind: ConstraintKind
    columns: tuple[str, ...]
    definition: str
    validated: bool = True
    enforced: bool = True
    references: Name | None = None
    referenced_columns: tuple[str, ...] = ()
    index: str | None = None
    inherited: bool = False
    no_inherit: bool = False
    parent: str | None = None
    referenced_index: str | None = field(default=None, compare=False)
    comment: str | None = field(default=None, compare=False)  # live only


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index; `definition` is what pg_get_indexdef() gives (live only).

    `columns` are all that it reads, `keys` the names of its key columns, empty for an expression. `parent`
    is the index of the partitioned table that it is a part of. `identifies` is True for the table's REPLICA
    IDENTITY, `clustered` for what CLUSTER goes by; both, the tablespace and the comment are live only.
    """

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    valid: bool = True
    definition: str = ""
    keys: tuple[str, ...] = ()
    method: str = "btree"
    where: str | None = None
    parent: Name | None = None
    assumed: bool = False
    identifies: bool = field(default=False, compare=False)
    clustered: bool = field(default=False, compare=False)
    tablespace: str | None = field(default=None, compare=False)
    comment: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A user's trigger; `before_row` says whether it can change the row that is written.

    A `row` trigger of a partitioned table is one of each partition too. `function` is what it calls;
    `definition` is what pg_get_triggerdef() gives (live only).
    """

    name: str
    before_row: bool
    definition: str = ""
    function: Name | None = None
    row: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """Something that reads one column: a view, a policy, a generated column, a function ... (live only).

    `kind` is view, materialized view, trigger, policy, statistics, foreign key, privileges, or other. `name`
    is its own, with the schema; `table` what it belongs to. `definition` is what makes a statistics object,
    or the clauses of a policy.
    """

    column: str
    description: str
    kind: str = field(default="other", compare=False)
    name: Name | None = field(default=None, compare=False)
    table: Name | None = field(default=None, compare=False)
    definition: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a role that is not the owner may do (live only); `grantee` None is PUBLIC.

    With `columns` it is a privilege on these columns alone.
    """

    privilege: str
    grantee: str | None
    columns: tuple[str, ...] = ()
    grantable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table, or a foreign one, with all that belongs to it.

    `created_in` is the script that made it, None when it was there before; `created_by` the number of the
    transaction (see Catalog.transaction). `row_estimate` (rows) and `size_bytes` are known from a live
    server only. `not_nulls` are the NOT NULL constraints that have names: all of them from PostgreSQL 18 on.
    `partition_key` is what follows PARTITION BY, `partition_bound` what follows PARTITION OF or the name in
    ATTACH PARTITION; `detaching` marks one whose DETACH CONCURRENTLY has not ended. `assumed` marks what
    IF NOT EXISTS made, or found in another shape. `owner`, `grants`, `force_row_security`,
    `replica_identity` (pg_class.relreplident) and `publications` are known from a live server only.
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
    created_by: int | None = None
    not_nulls: tuple[Constraint, ...] = ()
    inherits: tuple[Name, ...] = ()
    partition_key: str | None = None
    partition_bound: str | None = None
    detaching: bool = False
    policies: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    row_security: bool = False
    unlogged: bool = False
    foreign: bool = False
    of_type: Name | None = None
    drops_on_commit: bool = False
    access_method: str | None = None
    tablespace: str | None = None
    assumed: bool = False
    owner: str | None = field(default=None, compare=False)
    grants: tuple[Grant, ...] = field(default=(), compare=False)
    force_row_security: bool = field(default=False, compare=False)
    replica_identity: str = field(default="d", compare=False)
    publications: tuple[str, ...] = field(default=(), compare=False)

    def column(self, name: str) -> Column | None:
        """The column of this name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def constraint(self, name: str) -> Constraint | None:
        """The constraint of this name, NOT NULL ones included, or None."""
        return next((each for each in (*self.constraints, *self.not_nulls) if each.name == name), None)

    @property
    def parents(self) -> tuple[Name, ...]:
        """The table it is a partition of, or those it inherits from."""
        return (self.partition_of,) if self.partition_of else self.inherits


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view or a materialized view, and the relations its query reads.

    `columns_complete` is False for a replayed view
    whose query names its columns itself. `uses` are the columns of those relations that the query needs, None
    where only the relations are known. Live only: `definition` is its query, `options` what WITH (...) says,
    `adorned` are the statements that give a new view of its name the owner, the comments, the defaults, the
    privileges, the rules and the triggers of this one.
    """

    name: Name
    materialized: bool = False
    columns: tuple[str, ...] = ()
    columns_complete: bool = True
    reads: tuple[Name, ...] = ()
    uses: frozenset[tuple[Name, str]] | None = field(default=None, compare=False)
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    temporary: bool = False
    row_estimate: int | None = None
    size_bytes: int | None = None
    created_in: str | None = None
    created_by: int | None = None
    assumed: bool = False
    definition: str = ""
    options: tuple[str, ...] = ()
    adorned: tuple[str, ...] = ()

    def needs(self, relation: Name, column: str) -> bool | None:
        """Whether the query needs a column of a relation that it reads; None when that is not known."""
        return None if self.uses is None else (relation, column) in self.uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """How a sequence counts, and who was given privileges on it: `grants` are such as "USAGE TO writer"."""

    start: int
    increment: int
    least: int
    most: int
    cache: int
    cycles: bool
    grants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence; `owner` is the table and the column that it goes away with, `identity` if it is theirs.

    `counting` is live only.
    """

    name: Name
    type: TypeName = _BIGINT
    owner: tuple[Name, str] | None = None
    identity: bool = False
    temporary: bool = False
    assumed: bool = False
    counting: Counting | None = field(default=None, compare=False)


class TypeKind(StrEnum):
    """The kinds of types that somebody made, domains left out."""

    ENUM = "enum"
    COMPOSITE = "composite"
    RANGE = "range"
    BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserType:
    """A type that is no domain: an enum with its labels in order, a composite type with its attributes.

    `new_labels` were added by the transaction `labels_by` and cannot be used in it.
    """

    name: Name
    kind: TypeKind
    labels: tuple[str, ...] = ()
    attributes: tuple[Column, ...] = ()
    created_by: int | None = None
    new_labels: tuple[str, ...] = ()
    labels_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain: its base type (which may be a domain too) and what it demands of a value."""

    name: Name
    base: TypeName
    not_null: bool = False
    default: str | None = None
    constraints: tuple[Constraint, ...] = ()
    created_by: int | None = None

    @property
    def constrained(self) -> bool:
        """Whether it demands anything itself; its base may demand more."""
        return self.not_null or bool(self.constraints)


class Volatility(StrEnum):
    """How far a function's result may be kept.

    https://www.postgresql.org/docs/current/xfunc-volatility.html
    """

    IMMUTABLE = "immutable"
    STABLE = "stable"
    VOLATILE = "volatile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One overload of a function, procedure or aggregate, by the types of its arguments.

    Live only: `definition` is what pg_get_functiondef() gives (nothing for an aggregate or an extension's
    own), `adorned` are the statements that give a copy of it its owner and its privileges.
    """

    name: Name
    arguments: tuple[TypeName, ...] = ()
    volatility: Volatility = Volatility.VOLATILE
    kind: str = "function"  # or procedure, aggregate, window
    returns: TypeName | None = None
    language: str | None = None
    definition: str = ""
    adorned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An extension; what it brought is known from a live server only."""

    name: str
    schema: str | None = None
