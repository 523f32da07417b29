"""REFRESH MATERIALIZED VIEW CONCURRENTLY needs a view that was filled, and a unique index over all of it."""

import psycopg
import pytest

from migsafe.lint.engine import LintOptions
from migsafe.lint.fix.run import fix_sources
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source
from migsafe.sql.script import read_script

VIEW = "CREATE TABLE t (a integer, b text);\nCREATE MATERIALIZED VIEW v AS SELECT a, b FROM t"
UNIQUE = "CREATE UNIQUE INDEX ON v (a);"
REFRESH = "SET lock_timeout = '1s';\nREFRESH MATERIALIZED VIEW v;\n"


def repaired(*scripts: str) -> str:
    sources = [Source(path=f"{number}.sql", text=text) for number, text in enumerate(scripts)]
    return fix_sources(sources, rules=shipped_rules(), options=LintOptions())[-1].text


@pytest.mark.parametrize(
    "earlier",
    [
        (f"{VIEW}; {UNIQUE}",),
        (f"{VIEW} WITH NO DATA; {UNIQUE}", "REFRESH MATERIALIZED VIEW v;"),
    ],
)
def test_a_filled_view_is_refreshed_concurrently(
    connection: psycopg.Connection, earlier: tuple[str, ...]
) -> None:
    done = repaired(*earlier, REFRESH)
    assert done == REFRESH.replace("VIEW", "VIEW CONCURRENTLY")
    for script in (*earlier, done):
        for statement in read_script(script).statements:
            connection.execute(statement.text.encode())


@pytest.mark.parametrize(
    "earlier",
    [
        f"{VIEW} WITH NO DATA; {UNIQUE}",
        f"{VIEW};",
        f"{VIEW}; CREATE UNIQUE INDEX ON v (lower(b));",
        f"{VIEW}; CREATE UNIQUE INDEX ON v (a) WHERE a > 0;",
        f"{VIEW}; CREATE INDEX ON v (a);",
    ],
)
def test_another_view_is_not(connection: psycopg.Connection, earlier: str) -> None:
    assert repaired(earlier, REFRESH) == REFRESH
    for statement in read_script(earlier).statements:
        connection.execute(statement.text.encode())
    with pytest.raises(psycopg.Error):  # and PostgreSQL says the same
        connection.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY v")
