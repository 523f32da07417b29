"""The views of both versions as queries: all that each sees, and what both see.

Two views of equally many columns are held against each other as they are, whatever their columns are
called. Otherwise one version knows columns that the other one does not: then those of the same name are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from migsafe.plan.stages import Version
from tests.plan.cases import Case

from .crew import application_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """Queries for (key, row), both as text. A version without a view has none; nor has what is not shared."""

    whole: Mapping[Version, str]
    shared: Mapping[Version, str]

    @property
    def compares(self) -> bool:
        """Whether there is anything that both versions see."""
        return bool(self.shared)


def lens_of(case: Case, conns: Mapping[Version, psycopg.Connection[Any]]) -> Lens:
    """What is to be seen, asked of databases in which each version's view works."""
    views = {version: application_of(case, version).view for version in Version}
    views = {version: view for version, view in views.items() if view}
    whole = {version: _whole(view) for version, view in views.items()}
    if len(views) < 2:
        return Lens(whole=whole, shared={})
    columns = {version: _columns(conns[version], view) for version, view in views.items()}
    if len({len(names) for names in columns.values()}) == 1:
        return Lens(whole=whole, shared=whole)
    common = [name for name in columns[Version.BLUE] if name in columns[Version.GREEN]]
    if not all(names[0] in common for names in columns.values()):
        return Lens(whole=whole, shared={})
    shared = {version: _shared(conns[version], view, common) for version, view in views.items()}
    return Lens(whole=whole, shared=shared)


def _whole(view: str) -> str:
    return f"SELECT whole.key::text AS key, (whole)::text AS seen FROM ({view}) AS whole(key)"


def _shared(conn: psycopg.Connection[Any], view: str, names: list[str]) -> str:
    key = sql.Identifier(names[0]).as_string(conn)
    row = sql.SQL(", ").join(map(sql.Identifier, names)).as_string(conn)
    return f"SELECT {key}::text AS key, ROW({row})::text AS seen FROM ({view}) AS part"


def _columns(conn: psycopg.Connection[Any], view: str) -> list[str]:
    cursor = conn.execute(f"SELECT * FROM ({view}) AS whole LIMIT 0".encode())
    return [column.name for column in cursor.description or ()]
