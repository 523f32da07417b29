"""A rollout for each fault."""

import psycopg
import pytest

from tests.run.faults.trial import Trial, make_trial


@pytest.fixture
def trial(connection: psycopg.Connection, database: str) -> Trial:
    return make_trial(connection, database)
