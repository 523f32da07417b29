"""What a migration wants, with the expressions that a person gives in comments."""

import pytest

from migsafe.errors import PlanError
from migsafe.plan.migration import read_migration


def test_expressions_belong_to_the_statement_that_they_stand_before() -> None:
    first, second = read_migration(
        """
        -- migsafe: up split_part(name, '  ', 1)
        -- migsafe: down first || ' ' || last
        ALTER TABLE users DROP COLUMN name;
        ALTER TABLE users ADD COLUMN other int;
        """
    )
    assert (first.up, first.down) == ("split_part(name, '  ', 1)", "first || ' ' || last")
    assert (second.up, second.down) == (None, None)


@pytest.mark.parametrize(
    ("text", "each"),
    [
        ("DROP INDEX IF EXISTS a, s.b", ['DROP INDEX IF EXISTS "a"', 'DROP INDEX IF EXISTS "s"."b"']),
        ("DROP VIEW v, w CASCADE", ['DROP VIEW "v" CASCADE', 'DROP VIEW "w" CASCADE']),
        ("DROP FUNCTION f(int, text[]), g", ['DROP FUNCTION "f"(integer, text[])', 'DROP FUNCTION "g"']),
    ],
)
def test_what_one_drop_names_is_dropped_one_by_one(text: str, each: list[str]) -> None:
    wanted = read_migration(text)
    assert [one.sql for one in wanted] == each
    for one in wanted:
        alone = read_migration(one.sql)
        assert [other.operation for other in alone] == [one.operation]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-- migsafe: up\nALTER TABLE a DROP b;", "no expression is given"),
        ("-- migsafe: up x\n-- migsafe: up y\nALTER TABLE a DROP b;", "is said twice"),
        ("-- migsafe: up x\nALTER TABLE a DROP b, DROP c;", "does several things"),
    ],
)
def test_an_expression_that_cannot_be_used_is_refused(text: str, why: str) -> None:
    with pytest.raises(PlanError, match=f"m.sql:.*{why}"):
        read_migration(text, file="m.sql")
