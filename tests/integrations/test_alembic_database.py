"""The DSN of our own connections, from what SQLAlchemy knows."""

import psycopg
import pytest
from psycopg import conninfo
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from migsafe.errors import UsageError
from migsafe.integrations.alembic.database import _from_url, database_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://u:p%40@h:5433/d",
            {"user": "u", "password": "p@", "host": "h", "port": "5433", "dbname": "d"},
        ),
        (
            "postgresql+asyncpg://u@h/d?ssl=require&prepared_statement_cache_size=0",
            {"user": "u", "host": "h", "dbname": "d", "sslmode": "require"},
        ),
        (
            "postgresql+psycopg2:///d?host=/run/pg&port=5434",
            {"host": "/run/pg", "port": "5434", "dbname": "d"},
        ),
        (
            "postgresql+psycopg://h/d?application_name=shop&options=-csearch_path%3Dx",
            {"host": "h", "dbname": "d"},
        ),
        (
            "postgresql+pg8000://u@h/d?timeout=3",
            {"user": "u", "host": "h", "dbname": "d", "connect_timeout": "3"},
        ),
    ],
)
def test_a_url_of_any_driver_is_understood(url: str, expected: dict[str, str]) -> None:
    assert conninfo.conninfo_to_dict(_from_url(make_url(url))) == expected


def test_a_connection_that_the_project_makes_itself_is_found_again(database: str) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(database), poolclass=NullPool
    )
    with engine.connect() as connection, psycopg.connect(database_of(connection)) as own:
        assert own.info.dbname == psycopg.conninfo.conninfo_to_dict(database)["dbname"]


def test_another_database_is_refused(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = conninfo.make_conninfo(database, dbname="postgres")
    monkeypatch.setenv("MIGSAFE_DATABASE_URL", other)
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(database), poolclass=NullPool
    )
    with engine.connect() as connection, pytest.raises(UsageError, match="lead to two databases"):
        database_of(connection)
