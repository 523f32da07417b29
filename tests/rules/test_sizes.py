"""Sizes from a live server: small tables are left out, and findings say how big the others are."""

from dataclasses import replace

import pytest

from migsafe.catalog.history import load_schema
from migsafe.catalog.model import Catalog
from migsafe.config.model import Config
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import Finding
from migsafe.lint.rules import shipped_rules
from migsafe.lint.sizes import SmallTables, duration, in_words
from migsafe.sources.model import Source
from migsafe.sql.names import Name

LINTER = Linter(shipped_rules())
SCHEMA = "CREATE TABLE users (id bigint PRIMARY KEY, email text);"
INDEX = "CREATE INDEX users_email_idx ON users (email);"
USERS = Name("users", "public")


def live(*, rows: int, size: int) -> Catalog:
    catalog = load_schema(SCHEMA)
    return catalog.with_table(replace(catalog.tables[USERS], row_estimate=rows, size_bytes=size))


def findings(sql: str, catalog: Catalog, config: Config | None = None) -> tuple[Finding, ...]:
    options = LintOptions(catalog=catalog, settings={"lock_timeout": "2s"}, config=config or Config())
    return LINTER.lint([Source(path="1.sql", text=sql)], options).findings


def test_a_finding_says_how_big_the_table_is_and_how_long_it_may_take() -> None:
    (finding,) = findings(INDEX, live(rows=1_234_567_890, size=34 * 2**30))
    assert finding.message.endswith("(users: 1.2 billion rows, 34 GB; about 12 min)")


def test_nothing_is_said_of_a_size_that_is_not_known() -> None:
    (finding,) = findings(INDEX, load_schema(SCHEMA))
    assert finding.message.endswith("until it is built")


def test_a_table_with_few_rows_is_left_out_of_rules_about_size() -> None:
    assert findings(INDEX, live(rows=10_000, size=2**20)) == ()
    assert len(findings(INDEX, live(rows=10_001, size=2**20))) == 1


def test_a_table_that_was_never_analysed_counts_as_big() -> None:
    assert len(findings(INDEX, live(rows=-1, size=2**20))) == 1


def test_a_small_table_can_be_named() -> None:
    config = Config(small_tables=("users",))
    assert findings(INDEX, load_schema(SCHEMA), config) == ()


def test_what_breaks_the_application_is_found_in_small_tables_too() -> None:
    found = findings("ALTER TABLE users DROP COLUMN email;", live(rows=1, size=8192))
    assert [each.rule for each in found] == ["dropped-column"]


@pytest.mark.parametrize(
    ("written", "name", "is_small"),
    [
        ("users", Name("users"), True),
        ("users", Name("users", "public"), True),
        ("public.users", Name("users", "public"), True),
        ("archive.users", Name("users", "public"), False),
        ("user", Name("users"), False),
    ],
)
def test_a_name_is_written_with_a_schema_or_without(written: str, name: Name, is_small: bool) -> None:  # noqa: FBT001 -- a table of cases
    assert SmallTables(names=frozenset({written})).has(name, None) is is_small


@pytest.mark.parametrize(
    ("seconds", "shown"), [(1, "1 s"), (89, "89 s"), (90, "2 min"), (720, "12 min"), (7200, "2 h")]
)
def test_a_duration_is_rounded_to_what_can_be_known(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_number_in_words() -> None:
    steps = ((10**6, "million"), (10**3, "thousand"))
    assert [in_words(n, steps, "rows") for n in (7, 1500, 25_000_000)] == [
        "7 rows",
        "1.5 thousand rows",
        "25 million rows",
    ]
