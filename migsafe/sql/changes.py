"""What statements about views, types, functions, sequences and the like do to the schema.

An OtherStatement carries one or more of these, so that the schema can be followed. Names are as written.
"""

from dataclasses import dataclass

from migsafe.sql.definitions import ColumnDefinition, ConstraintDefinition, Expression, TypeName
from migsafe.sql.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChange:
    """The base of all of them. `kind` of an object is its SQL keyword in upper case: MATERIALIZED VIEW."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFollowed(SchemaChange):
    """The statement changes the schema in a way that is not followed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropObject(SchemaChange):
    """DROP; `table` is that of a trigger, rule or policy; `arguments` None means that none were given."""

    kind: str
    name: Name
    if_exists: bool = False
    cascade: bool = False
    table: Name | None = None
    arguments: tuple[TypeName, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameObject(SchemaChange):
    """ALTER ... RENAME TO; with RENAME COLUMN, ATTRIBUTE, VALUE or CONSTRAINT `part` is what is renamed."""

    kind: str
    name: Name
    new_name: str
    part: str | None = None
    part_kind: str | None = None
    table: Name | None = None
    arguments: tuple[TypeName, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveObject(SchemaChange):
    """ALTER ... SET SCHEMA."""

    kind: str
    name: Name
    new_schema: str
    arguments: tuple[TypeName, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView(SchemaChange):
    """CREATE VIEW or CREATE MATERIALIZED VIEW; `text` is its query as written, `reads` what that names.

    `columns` are those named before AS; where there are none, the query names them. `filled` is False where
    a materialized view is made WITH NO DATA.
    """

    name: Name
    columns: tuple[str, ...] = ()
    reads: tuple[Name, ...] = ()
    materialized: bool = False
    temporary: bool = False
    replaces: bool = False
    if_not_exists: bool = False
    text: str = ""
    filled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateType(SchemaChange):
    """CREATE TYPE; `kind` is enum, composite, range, base or shell."""

    name: Name
    kind: str
    labels: tuple[str, ...] = ()
    attributes: tuple[ColumnDefinition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddLabel(SchemaChange):
    """ALTER TYPE ... ADD VALUE."""

    type: Name
    label: str
    before: str | None = None
    after: str | None = None
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAttribute(SchemaChange):
    """ALTER TYPE ... ADD, DROP or ALTER ATTRIBUTE: `definition` is None when it is dropped."""

    type: Name
    attribute: str
    definition: ColumnDefinition | None = None
    cascade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDomain(SchemaChange):
    """CREATE DOMAIN: `column` holds its base type, default and constraints as a column has them."""

    name: Name
    column: ColumnDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterDomain(SchemaChange):
    """ALTER DOMAIN: `action` is "set default", "drop not null", "add", "drop", "validate" and their like."""

    name: Name
    action: str
    constraint: ConstraintDefinition | None = None
    constraint_name: str | None = None
    default: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFunction(SchemaChange):
    """CREATE FUNCTION, PROCEDURE or AGGREGATE; volatility None means the default, volatile.

    `body` is the text of the body, which runs when it is called and not now, `body_start` its offset in the
    statement where the text stands there exactly so (-1 otherwise): bodies.py reads it.
    """

    kind: str
    name: Name
    arguments: tuple[TypeName, ...] = ()
    volatility: str | None = None
    returns: TypeName | None = None
    language: str | None = None
    replaces: bool = False
    body: str = ""
    body_start: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterFunction(SchemaChange):
    """ALTER FUNCTION ... IMMUTABLE, STABLE or VOLATILE."""

    name: Name
    volatility: str
    arguments: tuple[TypeName, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSequence(SchemaChange):
    """CREATE or ALTER SEQUENCE; `owner` is (table, column), `unowned` says OWNED BY NONE."""

    name: Name
    created: bool = False
    type: TypeName | None = None
    owner: tuple[Name, str] | None = None
    unowned: bool = False
    temporary: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTrigger(SchemaChange):
    """CREATE TRIGGER."""

    name: str
    table: Name
    function: Name
    before: bool
    row: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOnTable(SchemaChange):
    """CREATE POLICY or CREATE RULE."""

    kind: str
    name: str
    table: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSchema(SchemaChange):
    """CREATE SCHEMA; operations inside of it follow as operations of their own."""

    name: str
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateExtension(SchemaChange):
    """CREATE EXTENSION."""

    name: str
    schema: str | None = None
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachIndex(SchemaChange):
    """ALTER INDEX ... ATTACH PARTITION."""

    index: Name
    partition: Name
