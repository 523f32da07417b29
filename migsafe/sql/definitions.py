"""The parts of schema actions: types, expressions, constraints and columns as written."""

from dataclasses import dataclass
from enum import StrEnum

from migsafe.sql.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeName:
    """A data type as written, with PostgreSQL's own name for it: int4 is "integer"."""

    name: str
    schema: str | None = None
    modifiers: tuple[str, ...] = ()
    array_dimensions: int = 0

    def __str__(self) -> str:
        """The type as SQL, e.g. `character varying(50)[]`."""
        base = f"{self.schema}.{self.name}" if self.schema else self.name
        modifiers = f"({','.join(self.modifiers)})" if self.modifiers else ""
        if modifiers and " with" in base:  # timestamp(3) with time zone
            head, tail = base.split(" with", 1)
            return f"{head}{modifiers} with{tail}{'[]' * self.array_dimensions}"
        return f"{base}{modifiers}{'[]' * self.array_dimensions}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """An SQL expression: its exact text, and what it calls and reads."""

    text: str
    functions: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    is_null_constant: bool = False


class ConstraintKind(StrEnum):
    """The kinds of table constraints."""

    CHECK = "check"
    NOT_NULL = "not_null"
    UNIQUE = "unique"
    PRIMARY_KEY = "primary_key"
    FOREIGN_KEY = "foreign_key"
    EXCLUDE = "exclude"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintDefinition:
    """A constraint as written, of a table or inline on a column."""

    kind: ConstraintKind
    name: str | None = None
    columns: tuple[str, ...] = ()
    expression: Expression | None = None
    references: Name | None = None
    referenced_columns: tuple[str, ...] = ()
    not_valid: bool = False
    not_enforced: bool = False
    using_index: str | None = None
    text: str = ""


class Generated(StrEnum):
    """How a column gets its value when nobody gives one."""

    IDENTITY = "identity"
    STORED = "stored"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDefinition:
    """A column as written in CREATE TABLE or ADD COLUMN. `serial` types are reported by `is_serial`."""

    name: str
    type: TypeName
    not_null: bool = False
    default: Expression | None = None
    generated: Generated | None = None
    generated_as: Expression | None = None
    is_serial: bool = False
    collation: Name | None = None
    constraints: tuple[ConstraintDefinition, ...] = ()
