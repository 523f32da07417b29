"""Names of relations, columns and other objects, as PostgreSQL stores them."""

from dataclasses import dataclass

MAX_IDENTIFIER_BYTES = 63


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A possibly schema-qualified name, already folded to lower case where it was not quoted."""

    name: str
    schema: str | None = None

    def __str__(self) -> str:
        """The form for people: `schema.name`, without quotes."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def sql(self) -> str:
        """The form for SQL: every part quoted, so that any name works."""
        quoted = quote_identifier(self.name)
        return f"{quote_identifier(self.schema)}.{quoted}" if self.schema else quoted


def quote_identifier(name: str) -> str:
    """The name in double quotes, always.

    https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
    """
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """The text as an SQL string literal that reads the same under any standard_conforming_strings.

    https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS
    """
    if "\\" in text:
        return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "'" + text.replace("'", "''") + "'"
