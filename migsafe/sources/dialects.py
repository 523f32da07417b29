"""Repositories that keep the same migrations for several databases."""

from collections.abc import Sequence
from pathlib import Path

_OURS = frozenset({"postgres", "postgresql", "pg", "psql", "pgsql"})
_OTHERS = frozenset(
    {"mysql", "mariadb", "sqlite", "sqlite3", "mssql", "sqlserver", "oracle", "cockroach", "cockroachdb"}
    | {"crdb", "clickhouse", "spanner", "h2", "hsqldb", "db2", "snowflake", "cassandra", "hsql"}
)


def for_postgresql(paths: Sequence[Path], folder: Path) -> list[Path]:
    """The scripts without those that a folder or a part of the name gives to another database.

    Only where others are given to PostgreSQL: one folder named `oracle` alone is no such repository.
    """
    above = len(folder.parts)
    named = [(path, _words(path.parts[above:])) for path in paths]
    if not any(words & _OURS for _, words in named):
        return list(paths)
    return [path for path, words in named if words & _OURS or not words & _OTHERS]


def _words(parts: Sequence[str]) -> frozenset[str]:
    return frozenset(part.lower() for part in (*parts[:-1], *parts[-1].split(".")[1:-1]))
