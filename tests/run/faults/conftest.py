"""A rollout for each fault."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import conninfo

from tests.run.faults.trial import Trial, make_trial


@pytest.fixture
def trial(connection: psycopg.Connection, database: str) -> Trial:
    return make_trial(connection, database)


@pytest.fixture(autouse=True)
def told(request: pytest.FixtureRequest, proof_row: Callable[[str], None]) -> Iterator[None]:
    """The table of faults: each test's name says what was done, and how it ends."""
    failed = request.session.testsfailed
    yield
    words = request.node.name.removeprefix("test_").replace("_", " ")
    family = request.path.stem.removeprefix("test_").replace("_", " ")
    outcome = "survived" if request.session.testsfailed == failed else "NOT SURVIVED"
    proof_row(f"fault ({family}): {words}: {outcome}")


@pytest.fixture
def plain(trial: Trial) -> Iterator[Trial]:
    """The rollout by a role that owns the table and may do little else."""
    trial.role = f"runner_of_{conninfo.conninfo_to_dict(trial.dsn)['dbname']}"
    trial.execute(
        "CREATE ROLE {role} LOGIN PASSWORD 'secret' IN ROLE pg_monitor; ALTER TABLE orders OWNER TO {role}; "
        "ALTER SCHEMA public OWNER TO {role}; GRANT CREATE ON DATABASE {database} TO {role}"
    )
    trial.dsn = conninfo.make_conninfo(trial.dsn, user=trial.role, password="secret")  # noqa: S106
    yield trial
    trial.execute("REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")
