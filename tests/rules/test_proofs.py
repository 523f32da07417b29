"""PostgreSQL itself confirms what the rules say: their examples, run on a real server.

What a statement does is seen in the debug1 notices, in the locks its transaction holds, and in its error.
"""

from collections.abc import Iterator

import psycopg
import pytest
from _pytest.mark.structures import ParameterSet

from migsafe.lint.model import Example, Rule, Severity
from migsafe.lint.rules import shipped_rules
from migsafe.postgres.server import Server
from migsafe.sql.operations import Begin, Commit
from migsafe.sql.script import ReadStatement, read_script

RULES = shipped_rules()
# Tables of the example's own schema, and the locks that our transaction holds on them.
TABLES = """
SELECT c.oid, c.relname FROM pg_class c
 WHERE c.relnamespace = current_schema::regnamespace AND c.relkind IN ('r', 'p', 'm', 'v')
"""
LOCKS = "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IS NOT NULL"
MODES = {
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE rule_examples")
    with psycopg.connect(server.dsn("rule_examples"), autocommit=True, prepare_threshold=None) as connection:
        yield connection
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("DROP DATABASE rule_examples WITH (FORCE)")


@pytest.fixture
def connection(shared: psycopg.Connection) -> psycopg.Connection:
    """A connection to a schema of the test's own: a whole database for each takes too long."""
    fresh_schema(shared)
    return shared


def fresh_schema(connection: psycopg.Connection) -> None:
    connection.rollback()
    connection.execute("DISCARD ALL")
    connection.execute("DROP SCHEMA IF EXISTS example CASCADE")
    connection.execute("DROP SCHEMA IF EXISTS archive CASCADE")
    connection.execute("CREATE SCHEMA example")
    connection.execute("SET search_path = example")


def claims() -> list[ParameterSet]:
    return [
        pytest.param(example, id=f"{rule.name}-{number}")
        for rule in RULES
        for number, example in enumerate((*rule.bad, *rule.good), start=1)
        if example.observed
    ]


def statements(sql: str) -> tuple[ReadStatement, ...]:
    return read_script(sql).statements


def run_plainly(connection: psycopg.Connection, sql: str) -> None:
    """Runs a script as psql does: every statement by itself, unless the script says BEGIN."""
    for statement in statements(sql):
        connection.execute(statement.text.encode())


def observe(connection: psycopg.Connection, example: Example) -> list[str]:
    """What the server says while it runs the example in one transaction, which is rolled back."""
    seen: list[str] = []
    before: dict[int, str] = dict(connection.execute(TABLES).fetchall())
    connection.add_notice_handler(lambda notice: seen.append(notice.message_primary or ""))
    connection.execute("SET client_min_messages = debug1")
    connection.execute("BEGIN")
    try:
        for statement in statements(example.sql):
            if not isinstance(statement.operations[0], Begin | Commit):
                connection.execute(statement.text.encode())
    except psycopg.Error as error:
        seen.append(str(error))
    else:
        locks = connection.execute(LOCKS).fetchall()
        seen += [f"{MODES[mode]} on {before[oid]}" for oid, mode in locks if mode in MODES and oid in before]
    connection.execute("ROLLBACK")
    connection.execute("RESET client_min_messages")
    return seen


@pytest.mark.parametrize("example", claims())
def test_the_server_does_what_the_example_says(connection: psycopg.Connection, example: Example) -> None:
    run_plainly(connection, example.setup)
    seen = observe(connection, example)
    for wanted in example.observed:
        assert any(is_seen(wanted, line) for line in seen), (wanted, seen)


def is_seen(wanted: str, line: str) -> bool:
    """A lock is the whole line, so that SHARE is not found in ROW SHARE; a notice is part of it."""
    return (
        line == wanted if " on " in wanted and wanted.isascii() and wanted[:3].isupper() else wanted in line
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_bad_example_is_accepted_unless_its_error_is_the_point(
    connection: psycopg.Connection, rule: Rule
) -> None:
    for example in rule.bad:
        if any("cannot run inside" in line or "null values" in line for line in example.observed):
            continue
        if rule.family == "reading" and rule.severity is Severity.ERROR:
            continue
        fresh_schema(connection)
        run_plainly(connection, example.setup)
        run_plainly(connection, example.sql)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_good_example_is_accepted(connection: psycopg.Connection, rule: Rule) -> None:
    for example in rule.good:
        fresh_schema(connection)
        run_plainly(connection, example.setup)
        run_plainly(connection, example.sql)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_to_do_instead_is_accepted_on_the_schema_of_the_bad_example(
    connection: psycopg.Connection, rule: Rule
) -> None:
    run_plainly(connection, rule.bad[0].setup)
    run_plainly(connection, rule.instead)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_about_an_effect_has_it_observed(rule: Rule) -> None:
    facts = {key for condition in rule.when for key, _ in condition.wanted}
    if facts & {
        "rewrites",
        "scans",
        "builds_index",
        "default_volatile",
        "needs_no_transaction",
        "strong_lock",
    }:
        assert rule.bad[0].observed
