"""Statements in any order, on tables that may not be there or stand in a circle: the linter never fails.

PostgreSQL would refuse many of them; a script with such a mistake is judged all the same.
"""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from migsafe.catalog.model import Catalog
from migsafe.effects.script import script_effects
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source
from migsafe.sql.script import read_script
from migsafe.sql.split import split

CORPUS = Path(__file__).parents[1] / "sql" / "corpus"
STATEMENTS = [
    statement.text
    for path in sorted(CORPUS.glob("*.sql"))
    for statement in split(path.read_text(encoding="utf-8")).statements
]
LINTER = Linter(shipped_rules())
# On two tables and two indexes circles are found sooner.
CIRCLES = [
    form.format(a=a, b=b)
    for form in (
        "ALTER TABLE {a} ATTACH PARTITION {b} DEFAULT",
        "ALTER TABLE {a} DETACH PARTITION {b}",
        "ALTER TABLE {a} INHERIT {b}",
        "ALTER TABLE {a} NO INHERIT {b}",
        "CREATE TABLE {a} PARTITION OF {b} DEFAULT PARTITION BY RANGE (id)",
        "CREATE TABLE {a} () INHERITS ({b})",
        "CREATE TABLE {a} (LIKE {b} INCLUDING ALL)",
        "ALTER TABLE {a} ADD FOREIGN KEY (id) REFERENCES {b} (id)",
        "ALTER INDEX {a}_i ATTACH PARTITION {b}_i",
        "CREATE INDEX {a}_i ON {b} (id)",
        "CREATE INDEX {a}_i ON ONLY {b} (id)",
        "CREATE VIEW {a} AS SELECT * FROM {b}",
        "ALTER TABLE {a} RENAME TO {b}",
        "ALTER TABLE {a} ADD PRIMARY KEY (id)",
        "ALTER TABLE {a} ALTER id TYPE bigint",
        "ALTER TABLE {a} ALTER id SET NOT NULL",
        "ALTER TABLE {a} DROP CONSTRAINT {a}_pkey CASCADE",
        "DROP TABLE {a} CASCADE",
        "CREATE DOMAIN {a} AS {b}",
        "ALTER TABLE {a} OF {b}",
        "CREATE SEQUENCE {a} OWNED BY {b}.id",
    )
    for a in ("t", "u")
    for b in ("t", "u")
]


def check(statements: list[str]) -> None:
    text = ";\n".join(statements)
    (file,) = LINTER.lint([Source(path="x.sql", text=text)], LintOptions()).files
    effects = script_effects(read_script(text), Catalog())
    assert len(effects.statements) == file.statements


@given(st.lists(st.sampled_from(CIRCLES), min_size=2, max_size=10))
@settings(max_examples=300)
def test_circles_end(statements: list[str]) -> None:
    check(statements)


@given(st.lists(st.sampled_from(STATEMENTS), min_size=2, max_size=10))
@settings(max_examples=200)
def test_valid_statements_are_judged_in_any_order(statements: list[str]) -> None:
    check(statements)
