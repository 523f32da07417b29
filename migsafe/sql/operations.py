"""Typed schema actions: what a statement asks for, without what it will cost.

A statement has one or more operations (ALTER TABLE may carry many). Every operation is immutable and
compares by value. `Unread` stands for what was not understood; nothing else may stand for it.
"""

from dataclasses import dataclass

from migsafe.sql.changes import SchemaChange
from migsafe.sql.control import (
    Begin,
    Commit,
    Operation,
    ResetSetting,
    Rollback,
    Savepoint,
    SetSetting,
    Unread,
)
from migsafe.sql.definitions import (
    ColumnDefinition,
    ConstraintDefinition,
    ConstraintKind,
    Expression,
    Generated,
    TypeName,
)
from migsafe.sql.names import Name

# What operations are made of, and those of control.py, are imported from here.
__all__ = [
    "Begin",
    "ColumnDefinition",
    "Commit",
    "ConstraintDefinition",
    "ConstraintKind",
    "Expression",
    "Generated",
    "Operation",
    "ResetSetting",
    "Rollback",
    "Savepoint",
    "SetSetting",
    "TypeName",
    "Unread",
]


# --- tables ---


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOperation(Operation):
    """An operation on one existing table; `only` leaves its children and partitions out."""

    table: Name
    if_exists: bool = False
    only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable(Operation):
    """CREATE TABLE in any form, SELECT INTO too; `query` has what CREATE TABLE AS reads.

    `like_options` belong to the names of `like` in turn: what each takes over, ALL written out, without what
    is EXCLUDED. `partition_key` is what follows PARTITION BY, `partition_bound` what follows PARTITION OF t.
    """

    table: Name
    columns: tuple[ColumnDefinition, ...] = ()
    constraints: tuple[ConstraintDefinition, ...] = ()
    temporary: bool = False
    if_not_exists: bool = False
    as_query: bool = False
    query: "Query | None" = None
    like: tuple[Name, ...] = ()
    like_options: tuple[frozenset[str], ...] = ()
    inherits: tuple[Name, ...] = ()
    partition_of: Name | None = None
    default_partition: bool = False
    partitioned: bool = False
    partition_key: str | None = None
    partition_bound: str | None = None
    of_type: Name | None = None
    unlogged: bool = False
    drops_on_commit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTable(TableOperation):
    """DROP TABLE, one operation for each table named."""

    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameTable(TableOperation):
    """ALTER TABLE ... RENAME TO."""

    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSchema(TableOperation):
    """ALTER TABLE ... SET SCHEMA."""

    new_schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddColumn(TableOperation):
    """ALTER TABLE ... ADD COLUMN."""

    column: ColumnDefinition
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DropColumn(TableOperation):
    """ALTER TABLE ... DROP COLUMN."""

    column: str
    cascade: bool = False
    column_if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameColumn(TableOperation):
    """ALTER TABLE ... RENAME COLUMN ... TO."""

    column: str
    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterColumnType(TableOperation):
    """ALTER COLUMN ... TYPE."""

    column: str
    type: TypeName
    using: Expression | None = None
    collation: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNotNull(TableOperation):
    """ALTER COLUMN ... SET NOT NULL."""

    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropNotNull(TableOperation):
    """ALTER COLUMN ... DROP NOT NULL."""

    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefault(TableOperation):
    """ALTER COLUMN ... SET DEFAULT."""

    column: str
    default: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDefault(TableOperation):
    """ALTER COLUMN ... DROP DEFAULT."""

    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddConstraint(TableOperation):
    """ALTER TABLE ... ADD CONSTRAINT (also USING INDEX)."""

    constraint: ConstraintDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateConstraint(TableOperation):
    """ALTER TABLE ... VALIDATE CONSTRAINT."""

    constraint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropConstraint(TableOperation):
    """ALTER TABLE ... DROP CONSTRAINT."""

    constraint: str
    cascade: bool = False
    constraint_if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameConstraint(TableOperation):
    """ALTER TABLE ... RENAME CONSTRAINT."""

    constraint: str
    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherTableAction(TableOperation):
    """An ALTER TABLE action that is understood and needs no type of its own yet.

    `action` is its leading keywords in upper case ("ALTER COLUMN SET STATISTICS"), `detail` the rest as
    written; `column` is the column it changes.
    """

    action: str
    column: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachPartition(TableOperation):
    """ALTER TABLE ... ATTACH PARTITION; `bound` is FOR VALUES and what follows it."""

    partition: Name
    default: bool = False
    bound: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachPartition(TableOperation):
    """ALTER TABLE ... DETACH PARTITION."""

    partition: Name
    concurrently: bool = False
    finalize: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTable(TableOperation):
    """LOCK TABLE, one operation for each table named; `mode` as SQL writes it: `ACCESS EXCLUSIVE`."""

    mode: str = "ACCESS EXCLUSIVE"
    nowait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate(TableOperation):
    """TRUNCATE, one operation for each table named."""

    cascade: bool = False


# --- indexes ---


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateIndex(TableOperation):
    """CREATE INDEX. `columns` are the plain columns; expressions are counted.

    `key_names` has what PostgreSQL calls each column or expression when it makes up the index's name,
    `used_columns` every column that the index cannot live without: in expressions and in WHERE too.
    """

    name: str | None = None
    columns: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    expressions: int = 0
    key_names: tuple[str, ...] = ()
    used_columns: tuple[str, ...] = ()
    unique: bool = False
    concurrently: bool = False
    if_not_exists: bool = False
    method: str = "btree"
    where: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropIndex(Operation):
    """DROP INDEX, one operation for each index named."""

    index: Name
    concurrently: bool = False
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameIndex(Operation):
    """ALTER INDEX ... RENAME TO."""

    index: Name
    new_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reindex(Operation):
    """REINDEX of an index, a table, a schema or a database."""

    object_kind: str
    target: Name | None
    concurrently: bool = False


# --- data ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(TableOperation):
    """UPDATE."""

    has_where: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(TableOperation):
    """DELETE."""

    has_where: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert(TableOperation):
    """INSERT, MERGE or COPY FROM."""

    from_query: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Operation):
    """SELECT, VALUES, TABLE, EXPLAIN, SHOW: reads, and calls functions."""

    tables: tuple[Name, ...] = ()
    functions: tuple[str, ...] = ()
    for_update: bool = False


# --- everything else that is understood ---


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStatement(Operation):
    """A statement that is understood (its command tag says which) and needs no type of its own yet.

    `target` is the table, view or other object it names first, where that can be said; of several, each has
    an operation of its own. A psql meta-command has the command as its tag, with the backslash. `changes`
    are what it does to the schema, those of all its operations on the first of them. `actions` are those of
    ALTER VIEW, ALTER INDEX and their like, read as if it was ALTER TABLE. `options` are the words of VACUUM
    and its like in lower case, those switched off left out. `query` is what a view or a prepared statement
    reads.
    """

    tag: str
    target: Name | None = None
    changes: tuple[SchemaChange, ...] = ()
    if_exists: bool = False
    cascade: bool = False
    actions: tuple[Operation, ...] = ()
    options: tuple[str, ...] = ()
    query: Query | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaqueCode(OtherStatement):
    """Code whose effects nobody can tell from its text: DO, CALL, EXECUTE, or a part of a DO block.

    `reason` says what cannot be told; `function` is what CALL calls. `body` is the text of a DO block that
    was not looked into, `body_start` its offset in the statement (-1 where escapes stand in it).
    """

    reason: str = ""
    function: Name | None = None
    language: str = ""
    body: str = ""
    body_start: int = -1

    @property
    def kind(self) -> str:
        """The same as all statements that the tag tells apart."""
        return "other_statement"


# What these do is written somewhere else, or in another language: nobody can call them safe from their text.
OPAQUE_TAGS = frozenset({"CALL", "DO", "EXECUTE"})
