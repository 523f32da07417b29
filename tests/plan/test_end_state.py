"""Carried out by the real runner, a plan leaves the schema that the migration alone would have left.

Taken back, from any stage before the last one, it leaves what was there before.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

import psycopg
import pytest
from psycopg import conninfo, sql

from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Catalog
from migsafe.plan.model import Plan
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage
from migsafe.postgres.server import Server
from migsafe.run.order import stages_of
from migsafe.run.runner import hold
from tests.conftest import drop_database

from .cases import Case, is_taken_back, load_cases

CASES = load_cases()
# Of each family every third case in `make test`, all of them in `make proof`.
BACK = [
    name if number % 3 == 0 else pytest.param(name, marks=pytest.mark.proof)
    for _, names in groupby(sorted(CASES), key=lambda name: name.split("/")[0])
    for number, name in enumerate(names)
]
REPLACING = ("types/", "columns/rename")  # a column makes way for another one


class Places:
    """Databases with the schema and rows in them, each thrown away at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._names: list[str] = []

    def make(self, schema: str) -> str:
        name = f"end_state_{len(self._names)}"
        self._names.append(name)
        with psycopg.connect(self._server.dsn(), autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsn = conninfo.make_conninfo(self._server.dsn(), dbname=name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(schema.encode())
        return dsn

    def drop(self) -> None:
        for name in self._names:
            drop_database(self._server, name)


@pytest.fixture
def places(server: Server) -> Iterator[Places]:
    found = Places(server)
    yield found
    found.drop()


def schema_of(dsn: str) -> Catalog:
    """What is there, without sizes and the order of columns."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = read_catalog(connection)
    tables = {
        name: replace(
            table,
            columns=tuple(sorted(table.columns, key=lambda column: column.name)),
            row_estimate=None,
            size_bytes=None,
            not_nulls=tuple(
                # From PostgreSQL 18 on a primary key of a partition makes them its own as well.
                replace(each, inherited=each.inherited and table.partition_of is None)
                for each in table.not_nulls
            ),
        )
        for name, table in found.tables.items()
    }
    views = {name: replace(view, row_estimate=None, size_bytes=None) for name, view in found.views.items()}
    return replace(found, tables=tables, views=views)


def extras_of(dsn: str) -> dict[object, object]:
    """Comments, privileges and settings of columns, how sequences count, and marks of indexes."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = read_catalog(connection)
    extras: dict[object, object] = {name: each.counting for name, each in found.sequences.items()}
    for table in found.tables.values():
        extras |= {(table.name, each.name): each.extras for each in table.columns}
        extras |= {
            (table.name, "index", each.name): (each.comment, each.identifies, each.clustered)
            for each in table.indexes
        }
        extras |= {(table.name, "constraint", each.name): each.comment for each in table.constraints}
    return extras


def made(case: Case, dsn: str) -> Plan:
    with psycopg.connect(dsn, autocommit=True) as connection:
        catalog = read_catalog(connection)
    return plan_migration(case.migration, catalog, case.plan_options("end_state"))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, server: Server) -> Case:
    found = CASES[request.param]
    with psycopg.connect(server.dsn()) as connection:
        if connection.info.server_version < found.min_version:
            pytest.skip(f"for PostgreSQL {found.min_version // 10_000} and newer")
    return found


def test_the_end_is_what_the_migration_alone_would_have_left(places: Places, case: Case) -> None:
    naive, planned = places.make(case.schema), places.make(case.schema)
    with psycopg.connect(naive) as connection:
        connection.execute(case.naive.encode())
    plan = made(case, planned)
    with hold(plan, planned) as runner:
        for stage in stages_of(plan)[1:]:
            runner.advance(stage)
    assert schema_of(planned) == schema_of(naive)
    if case.name.startswith(REPLACING):
        assert extras_of(planned) == extras_of(naive)
    if case.same_rows:
        assert rows_of(case, planned) == rows_of(case, naive)


@pytest.mark.parametrize("case", BACK, indirect=True)
def test_taken_back_from_any_stage_everything_is_as_it_was(places: Places, case: Case) -> None:
    dsn = places.make(case.schema)
    before = schema_of(dsn)
    plan = made(case, dsn)
    reached = [stage for stage in stages_of(plan)[1:] if stage is not Stage.DROPPED]
    for last in range(1, len(reached) + 1):
        with hold(plan, dsn) as runner:
            for stage in reached[:last]:
                runner.advance(stage)
            for stage in reversed(reached[:last]):
                runner.undo(stage)
        if case.stays and last == 1:
            before = schema_of(places.make(case.schema + case.stays))
        exempt = not is_taken_back(plan) and not case.stays
        assert schema_of(dsn) == before or exempt, reached[last - 1]


def rows_of(case: Case, dsn: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return sorted(connection.execute(case.same_rows.encode()).fetchall(), key=str)
