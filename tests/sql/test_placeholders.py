"""Placeholders of template languages and drivers: they stand for a name, a part of one, or a value."""

import pytest

from migsafe.sql.names import Name
from migsafe.sql.operations import AddColumn, CreateTable, Delete, DropTable, SetDefault, Unread, Update
from migsafe.sql.script import read_script


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("DROP TABLE ${schema}.users", Name("users", "${schema}")),
        ("DROP TABLE {{ schema }}.users", Name("users", "{{ schema }}")),
        ("DROP TABLE {{ prefix }}_users", Name("{{ prefix }}_users")),
        ("DROP TABLE @schema@.users", Name("users", "@schema@")),
        ("DROP TABLE :schema.users", Name("users", ":schema")),
        ('DROP TABLE :"schema".users', Name("users", ':"schema"')),
        ("DROP TABLE %(schema)s.users", Name("users", "%(schema)s")),
        ("DROP TABLE ${prefix}users", Name("${prefix}users")),
    ],
)
def test_a_placeholder_may_stand_in_a_name(text: str, table: Name) -> None:
    (statement,) = read_script(text).statements
    assert statement.operations == (DropTable(table=table),)


@pytest.mark.parametrize("value", ["${x}", "{{ x }}", ":x", ":'x'", "%(x)s", "'{{ x }}'"])
def test_a_placeholder_may_be_a_value(value: str) -> None:
    (statement,) = read_script(f"ALTER TABLE t ALTER a SET DEFAULT {value}").statements
    (operation,) = statement.operations
    assert isinstance(operation, SetDefault)
    assert operation.default.text == value


def test_what_a_placeholder_stands_for_may_call_anything() -> None:
    (statement,) = read_script("ALTER TABLE t ADD a int DEFAULT ${value}").statements
    (operation,) = statement.operations
    assert isinstance(operation, AddColumn)
    assert operation.column.default
    assert operation.column.default.functions == ("${value}",)


def test_quotes_and_semicolons_in_a_placeholder_are_not_sqls() -> None:
    first, second = read_script("UPDATE t SET a = {{ f('x;', \"y\") }} WHERE b; DELETE FROM u").statements
    assert isinstance(first.operations[0], Update)
    assert first.operations[0].has_where
    assert isinstance(second.operations[0], Delete)


def test_what_is_valid_sql_is_no_placeholder() -> None:
    (statement,) = read_script("CREATE TABLE t (a text DEFAULT ':x', b int[] DEFAULT a[1:2])").statements
    (operation,) = statement.operations
    assert isinstance(operation, CreateTable)
    assert operation.columns[0].default
    assert operation.columns[0].default.functions == ()


def test_where_a_placeholder_stands_for_a_statement_it_is_unread() -> None:
    (statement,) = read_script("{{ macro() }}").statements
    assert isinstance(statement.operations[0], Unread)
    assert "placeholder" in statement.operations[0].reason
