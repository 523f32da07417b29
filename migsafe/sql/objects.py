"""Statements about views, types, routines and sequences: what is known of them beside their command tag."""

from dataclasses import dataclass

from migsafe.sql.definitions import ConstraintDefinition, Expression, TypeName
from migsafe.sql.names import Name
from migsafe.sql.operations import OtherStatement, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView(OtherStatement):
    """CREATE VIEW or CREATE MATERIALIZED VIEW; `query` has what it reads.

    `columns` are those named before AS; where there are none, the query names them.
    """

    query: Query
    text: str = ""
    columns: tuple[str, ...] = ()
    or_replace: bool = False
    temporary: bool = False
    materialized: bool = False
    if_not_exists: bool = False
    with_data: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateType(OtherStatement):
    """CREATE TYPE: an enum has labels, a composite type attributes; a range or base type neither."""

    type_kind: str
    labels: tuple[str, ...] = ()
    attributes: tuple[tuple[str, TypeName], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddEnumValue(OtherStatement):
    """ALTER TYPE ... ADD VALUE; `neighbour` is the label it goes before or after."""

    value: str
    if_not_exists: bool = False
    neighbour: str | None = None
    before: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameEnumValue(OtherStatement):
    """ALTER TYPE ... RENAME VALUE."""

    value: str
    new_value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDomain(OtherStatement):
    """CREATE DOMAIN."""

    base: TypeName
    not_null: bool = False
    default: Expression | None = None
    constraints: tuple[ConstraintDefinition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterDomain(OtherStatement):
    """ALTER DOMAIN: `action` in upper case, such as SET NOT NULL, ADD CONSTRAINT, RENAME TO, OWNER TO.

    `name` is the constraint it is about, `new_name` what something is called afterwards: the constraint,
    the domain, or the schema of SET SCHEMA.
    """

    action: str
    name: str | None = None
    new_name: str | None = None
    default: Expression | None = None
    constraint: ConstraintDefinition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameObject(OtherStatement):
    """ALTER <object> ... RENAME TO: `new_name` has no schema; `name` is that of a trigger or rule."""

    new_name: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveObject(OtherStatement):
    """ALTER <object> ... SET SCHEMA."""

    new_schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A routine's parameter: mode is in, out, inout or variadic."""

    type: TypeName
    name: str | None = None
    mode: str = "in"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRoutine(OtherStatement):
    """CREATE FUNCTION or CREATE PROCEDURE. What its body says runs when it is called, not now.

    `body` is the text of the body, `body_start` its offset in the statement where the text stands there
    exactly so (-1 otherwise): bodies.py reads it.
    """

    arguments: tuple[Argument, ...] = ()
    returns: TypeName | None = None
    language: str = "sql"
    volatility: str = "volatile"
    or_replace: bool = False
    body: str = ""
    body_start: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutineStatement(OtherStatement):
    """ALTER or DROP of a function, procedure or routine: `arguments` is None where none are given."""

    arguments: tuple[Argument, ...] | None = None
    volatility: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSequence(OtherStatement):
    """CREATE SEQUENCE; `owned_by` is the table and column of OWNED BY."""

    temporary: bool = False
    if_not_exists: bool = False
    owned_by: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterSequence(OtherStatement):
    """ALTER SEQUENCE with options: `owned_by` is the table and column, None where it does not say."""

    owned_by: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOfTable(OtherStatement):
    """CREATE, ALTER or DROP of a trigger, rule or policy: `name` is its own, `target` its table.

    `function` is what a trigger calls.
    """

    name: str
    function: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStatement(OtherStatement):
    """CREATE or DROP SCHEMA; operations inside CREATE SCHEMA follow as operations of their own."""

    name: str
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance(OtherStatement):
    """VACUUM, ANALYZE, CLUSTER, REPACK: `options` are words in lower case, those switched off left out."""

    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaqueCode(OtherStatement):
    """Code that nobody can tell the effects of from its text: DO, CALL, EXECUTE, or a part of a DO block.

    `reason` says what cannot be told; `function` is what CALL calls. `body` is the text of a DO block that
    was not looked into, `body_start` its offset in the statement (-1 where escapes stand in it).
    """

    reason: str = ""
    function: Name | None = None
    language: str = ""
    body: str = ""
    body_start: int = -1
