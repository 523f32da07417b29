"""Schemas and DDL at random: what the server does is what is predicted."""

from collections import Counter
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migsafe.catalog.history import load_schema
from migsafe.effects.script import script_effects
from migsafe.sql.script import read_script
from migsafe.verify.run import run_script
from tests.servers import MAJORS
from tests.verify.conftest import Servers
from tests.verify.generate import Maker

STATEMENTS_OF_A_SCHEMA = 25
PROOF_STATEMENTS = 10_000
Connection = psycopg.Connection[Any]


def connect(servers: Servers, major: int) -> Connection:
    connection = psycopg.connect(servers.of(major).dsn(), autocommit=True, prepare_threshold=None)
    connection.execute("SET TimeZone = 'America/New_York'")
    return connection


def none_more() -> Connection:
    raise AssertionError("nothing that is generated runs outside a transaction")


def check(connection: Connection, random: Random, seen: Counter[str]) -> list[str]:
    """Makes one schema, runs statements against it, and says where the predictions are wrong."""
    maker, made = Maker(random), []
    connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
    connection.execute("CREATE SCHEMA public")
    for sql in maker.schema():
        try:
            connection.execute(sql.encode())
        except psycopg.Error:
            continue
        made.append(sql)
    schema = ";\n".join(made) + ";\n"
    catalog, wrong = load_schema(schema), []
    for _ in range(STATEMENTS_OF_A_SCHEMA):
        text = maker.statement()
        predicted = script_effects(read_script(text), catalog, server_version=connection.info.server_version)
        (verdict,) = run_script(connection, none_more, predicted, keep=False)
        if verdict.observed.error:
            # Types that do not fit and the like: no part of the claim.
            seen["refused"] += 1
            continue
        seen["statements"] += 1
        seen["uncertain"] += not verdict.predicted.effects.certain
        if verdict.differences:
            wrong.append(f"{text}: {'; '.join(verdict.differences)}\n{schema}")
    return wrong


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_newest_server_does_what_is_predicted(servers: Servers, random: Random) -> None:
    with connect(servers, MAJORS[-1]) as connection:
        assert check(connection, random, Counter()) == []


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("major", MAJORS)
def test_every_server_does_what_is_predicted(servers: Servers, major: int) -> None:
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    with connect(servers, major) as connection:
        seed = 0
        while seen["statements"] < PROOF_STATEMENTS:
            wrong += check(connection, Random(seed), seen)
            seed += 1
    print(f"\nPostgreSQL {major} generated: {dict(seen)}, {len(wrong)} wrong", end="")  # noqa: T201 -- the proof's table
    assert not wrong, "\n\n".join(wrong[:5])
