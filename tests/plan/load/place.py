"""The databases of one case: the rollout's own, and two that no plan touches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg import conninfo, sql

from migsafe.catalog.live import read_catalog
from migsafe.plan.model import Plan, Traffic
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Version
from migsafe.postgres.server import Server
from tests.conftest import drop_database
from tests.plan.cases import Case

ROLLOUT = "load"
OLD = "load_old"
NAIVE = "load_naive"
COPY = "load_copy"


@dataclass(frozen=True, slots=True)
class Place:
    """Three databases: of the rollout, with the old schema, and with what the naive migration makes."""

    server: Server
    rollout: str
    old: str
    naive: str

    @property
    def untouched(self) -> dict[Version, str]:
        """Where each version works as if there was no rollout."""
        return {Version.BLUE: self.old, Version.GREEN: self.naive}


@contextmanager
def place_of(server: Server, case: Case) -> Iterator[Place]:
    """Made for the block."""
    try:
        place = Place(server, *(_create(server, name) for name in (ROLLOUT, OLD, NAIVE)))
        _fill(case, place)
        yield place
    finally:
        for name in (ROLLOUT, OLD, NAIVE):
            drop_database(server, name)


@contextmanager
def copy_of(place: Place) -> Iterator[Place]:
    """Another rollout's database with the same in it, for the block; the untouched ones are shared."""
    try:
        yield replace(place, rollout=_create(place.server, COPY, ROLLOUT))
    finally:
        drop_database(place.server, COPY)


def plan_of(case: Case, place: Place) -> Plan:
    """The plan, with a traffic track of which nothing but its stages is used."""
    with psycopg.connect(place.rollout, autocommit=True) as connection:
        catalog = read_catalog(connection)
    options = replace(case.plan_options(ROLLOUT), traffic=Traffic(provider="manual"))
    return plan_migration(case.migration, catalog, options)


def _create(server: Server, name: str, pattern: str = "template1") -> str:
    drop_database(server, name)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        admin.execute(statement.format(sql.Identifier(name), sql.Identifier(pattern)))
    return conninfo.make_conninfo(server.dsn(), dbname=name)


def _fill(case: Case, place: Place) -> None:
    for dsn in (place.rollout, place.old, place.naive):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(case.schema.encode())
    with psycopg.connect(place.naive) as connection:
        connection.execute(case.naive.encode())
