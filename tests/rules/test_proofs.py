"""PostgreSQL itself confirms what the rules say: their examples, run on a real server.

An example runs as psql would run it, or in one transaction if it says so. What each transaction does is
seen in the debug1 notices, in the locks it holds at its end on tables that were there before, in new storage
of these, in command tags (UPDATE 10000), and in its error. A statement of the running application is tried
before and after. Every bad example shows, within one transaction, all that it claims; no good example of the
rule shows all of that in one transaction.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from _pytest.mark.structures import ParameterSet
from psycopg.pq import TransactionStatus

from migsafe.lint.model import Example, Rule, Severity
from migsafe.lint.rules import shipped_rules
from migsafe.postgres.server import scratch_server
from migsafe.sql.operations import Begin, Commit, Rollback
from migsafe.sql.script import ReadStatement, read_script
from tests.servers import binaries_of, install, is_pinned

RULES = shipped_rules()
# Tables of the example's own schema, their storage, and the locks that our transaction holds on them.
STORAGE = """
SELECT c.oid, c.relname, c.relfilenode FROM pg_class c
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
# These families are about what stands in the text, not about what a server does.
NO_EFFECT = frozenset({"reading", "naming", "types", "style"})
# Nothing of these is seen in one run of a script on a small database.
NOT_SEEN = {
    "index-gap": "the gap is between two statements, not in one of them",
    "expand-beside-contract": "which version of the application runs is not in the database",
}


# The newest server in every run, the others in the proofs.
VERSIONS = [18, *(pytest.param(major, marks=pytest.mark.proof) for major in (14, 15, 16, 17))]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda major: f"on-{major}")
def shared(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    major: int = request.param
    if is_pinned(major):
        install(major)
    with (
        scratch_server(binaries=binaries_of(major), settings={"fsync": "off"}) as server,
        psycopg.connect(server.dsn(), autocommit=True, prepare_threshold=None) as connection,
    ):
        connection.execute("CREATE ROLE app; CREATE ROLE reporting")
        yield connection


@pytest.fixture
def connection(shared: psycopg.Connection) -> psycopg.Connection:
    """A connection to a schema of the test's own: a whole database for each takes too long."""
    fresh_schema(shared)
    return shared


def fresh_schema(connection: psycopg.Connection) -> None:
    connection.rollback()
    connection.execute("DISCARD ALL")
    for leftover in ("SCHEMA example", "SCHEMA archive", "PUBLICATION changes", "EXTENSION citext"):
        connection.execute(f"DROP {leftover.replace(' ', ' IF EXISTS ')} CASCADE".encode())
    connection.execute("ALTER ROLE reporting NOBYPASSRLS; ALTER ROLE reporting RESET ALL")
    connection.execute("CREATE SCHEMA example")
    connection.execute("GRANT USAGE ON SCHEMA example TO app, reporting")
    connection.execute("SET search_path = example")


def statements(sql: str) -> tuple[ReadStatement, ...]:
    return read_script(sql).statements


def run_plainly(connection: psycopg.Connection, sql: str) -> None:
    """Runs a script as psql does: every statement by itself, unless the script says BEGIN."""
    for statement in statements(sql):
        connection.execute(statement.text.encode())


@dataclass
class Watch:
    """Runs an example and keeps what is seen: a list of lines for each transaction."""

    connection: psycopg.Connection
    units: list[list[str]] = field(default_factory=lambda: [[]])
    application: list[str] = field(default_factory=list)
    failed: str = ""
    before: dict[int, tuple[str, int]] = field(default_factory=dict)

    def run(self, example: Example) -> None:
        run_plainly(self.connection, example.setup)
        assert self.use(example.application) == "", example.application
        self.connection.add_notice_handler(self.notice)
        for name, value in example.settings.items():
            self.connection.execute(f"SET {name} = '{value}'".encode())
        self.connection.execute("SET client_min_messages = debug1")
        self.script(example)
        self.connection.execute("RESET client_min_messages")
        self.connection.remove_notice_handler(self.notice)
        if example.application:
            error = self.use(example.application)
            self.failed = self.failed or error
            self.application += [error] if error else []
            for unit in self.units:
                unit.extend(self.application)

    def notice(self, notice: psycopg.errors.Diagnostic) -> None:
        self.units[-1].append(notice.message_primary or "")

    def script(self, example: Example) -> None:
        rows = self.connection.execute(STORAGE).fetchall()
        self.before = {oid: (name, node) for oid, name, node in rows}
        if example.transaction:
            self.begin()
        try:
            for statement in statements(example.sql):
                self.statement(statement)
            if example.transaction:
                self.end("COMMIT")
            elif self.is_open:
                self.end("ROLLBACK")  # what the server does when the session ends
        except psycopg.Error as error:
            self.units[-1].append(str(error))
            self.connection.execute("ROLLBACK")

    @property
    def is_open(self) -> bool:
        return self.connection.info.transaction_status is not TransactionStatus.IDLE

    def statement(self, statement: ReadStatement) -> None:
        match statement.operations[0]:
            case Begin():
                if not self.is_open:
                    self.begin()
                else:
                    self.connection.execute("BEGIN")
            case Commit() if self.is_open:
                self.end("COMMIT")
            case Commit() | Rollback():
                self.execute(statement)
            case _ if self.is_open:
                self.execute(statement)
            case _:
                self.alone(statement)

    def alone(self, statement: ReadStatement) -> None:
        """A statement by itself: in a transaction if it can be, so that its locks are seen."""
        self.begin()
        try:
            self.execute(statement)
        except psycopg.errors.ActiveSqlTransaction:
            self.connection.execute("ROLLBACK")
            self.execute(statement)
            self.storage()
        else:
            self.end("COMMIT")

    def execute(self, statement: ReadStatement) -> None:
        status = self.connection.execute(statement.text.encode()).statusmessage
        self.units[-1].append(status or "")

    def begin(self) -> None:
        self.units.append([])
        self.connection.execute("BEGIN")

    def end(self, how: str) -> None:
        timeouts = [
            f"{name} is {row[0]}"
            for name in ("lock_timeout", "statement_timeout")
            for row in self.connection.execute(f"SHOW {name}".encode()).fetchall()
        ]
        locks = self.connection.execute(LOCKS).fetchall()
        lines = [
            f"{MODES[mode]} on {self.before[oid][0]}"
            for oid, mode in locks
            if mode in MODES and oid in self.before
        ]
        self.units[-1] += [*lines, *timeouts]
        self.connection.execute(how.encode())
        self.storage()

    def storage(self) -> None:
        for oid, name, node in self.connection.execute(STORAGE).fetchall():
            if oid in self.before and self.before[oid][1] != node:
                self.units[-1].append(f"new storage for {name}")
                self.before[oid] = (name, node)

    def use(self, application: str) -> str:
        """What the running application gets: an error, or nothing to complain about."""
        try:
            for statement in statements(application):
                cursor = self.connection.execute(statement.text.encode())
                if cursor.description:
                    self.application = [f"the application gets {cursor.rowcount} rows"]
        except psycopg.Error as error:
            return str(error)
        finally:
            self.connection.execute("RESET ROLE")
        return ""


def is_seen(wanted: str, line: str) -> bool:
    """A lock is the whole line, so that SHARE is not found in ROW SHARE; a notice is part of it."""
    is_lock = " on " in wanted and wanted.partition(" on ")[0] in MODES.values()
    return line == wanted if is_lock else wanted in line


def shows(unit: list[str], wanted: tuple[str, ...]) -> bool:
    return all(any(is_seen(one, line) for line in unit) for one in wanted)


def major(connection: psycopg.Connection) -> int:
    return connection.info.server_version // 10_000


def claims_effect(rule: Rule) -> bool:
    return rule.family not in NO_EFFECT and rule.name not in NOT_SEEN


def claims() -> list[ParameterSet]:
    return [
        pytest.param(example, id=f"{rule.name}-{kind}-{number}")
        for rule in RULES
        for kind, group in (("bad", rule.bad), ("good", rule.good))
        for number, example in enumerate(group, start=1)
        if example.observed
    ]


@pytest.mark.parametrize("example", claims())
def test_the_server_does_what_the_example_says(connection: psycopg.Connection, example: Example) -> None:
    if example.since > major(connection):
        pytest.skip(f"needs PostgreSQL {example.since}")
    watch = Watch(connection)
    watch.run(example)
    assert any(shows(unit, example.observed) for unit in watch.units), (example.observed, watch.units)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_good_example_does_what_a_bad_one_does(connection: psycopg.Connection, rule: Rule) -> None:
    for example in rule.good if claims_effect(rule) else ():
        if example.since > major(connection):
            continue
        fresh_schema(connection)
        watch = Watch(connection)
        watch.run(example)
        assert watch.failed == "", example.application
        for bad in rule.bad:
            for unit in watch.units if bad.observed else ():
                assert not shows(unit, bad.observed), (example.sql, bad.observed)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_bad_example_is_accepted_unless_its_error_is_the_point(
    connection: psycopg.Connection, rule: Rule
) -> None:
    for example in rule.bad:
        fresh_schema(connection)
        if example.since > major(connection):
            continue
        if rule.family == "reading" and rule.severity is Severity.ERROR:
            continue
        watch = Watch(connection)
        run_plainly(connection, example.setup)
        watch.connection.execute("SET client_min_messages = error")
        error = run_to_error(connection, example)
        if error:
            assert any(one in error for one in example.observed), error


def run_to_error(connection: psycopg.Connection, example: Example) -> str:
    """Runs a script; the error that it ends with, or nothing."""
    try:
        if example.transaction:
            connection.execute("BEGIN")
        run_plainly(connection, example.sql)
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            connection.execute("COMMIT")
    except psycopg.Error as error:
        connection.execute("ROLLBACK")
        return str(error)
    return ""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_good_example_is_accepted(connection: psycopg.Connection, rule: Rule) -> None:
    for example in rule.good:
        if example.since <= major(connection):
            fresh_schema(connection)
            run_plainly(connection, example.setup)
            assert run_to_error(connection, example) == ""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_to_do_instead_is_accepted_on_the_schema_of_the_bad_example(
    connection: psycopg.Connection, rule: Rule
) -> None:
    if rule.bad[0].since <= major(connection):
        run_plainly(connection, rule.bad[0].setup)
        run_plainly(connection, rule.instead)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_bad_example_of_a_rule_about_an_effect_has_it_observed(rule: Rule) -> None:
    if claims_effect(rule):
        assert all(example.observed for example in rule.bad)


def test_what_is_not_seen_is_a_rule() -> None:
    assert set(NOT_SEEN) <= {rule.name for rule in RULES}
