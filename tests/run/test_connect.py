"""Connections: clear words when there is none, and never the password."""

import socket

import pytest
from psycopg import conninfo

from migsafe.errors import ConnectionFailed, UsageError
from migsafe.postgres.server import Server
from migsafe.run.connect import connect, database_url, is_pooled
from tests.run.relay import Relay


def test_a_wrong_password_is_said_without_the_password(server: Server) -> None:
    wrong = "wrong-S3cret"
    dsn = conninfo.make_conninfo(server.dsn(), password=wrong)
    with pytest.raises(ConnectionFailed, match="password authentication failed") as failed:
        connect(dsn)
    assert wrong not in str(failed.value)
    assert failed.value.__cause__ is None
    assert "Check the user and the password" in failed.value.advice


def test_a_port_where_nobody_listens_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionFailed, match=rf"shop on 127\.0\.0\.1:{port}: .*refused"):
        connect(f"postgresql://anna:pw@127.0.0.1:{port}/shop")


def test_a_database_that_does_not_exist_is_said(server: Server) -> None:
    with pytest.raises(ConnectionFailed, match='database "nowhere" does not exist'):
        connect(server.dsn("nowhere"))


def test_a_server_that_lets_us_in_and_is_gone_is_said(server: Server) -> None:
    parts = conninfo.conninfo_to_dict(server.dsn())
    relay = Relay((str(parts["host"]), int(str(parts["port"]))), word=b"pg_is_in_recovery")
    relay.arm("before", commits=1)
    try:
        with pytest.raises(ConnectionFailed, match="server closed the connection"):
            connect(conninfo.make_conninfo(server.dsn(), port=relay.port))
    finally:
        relay.close()
    assert relay.cuts == 1


def test_a_host_that_never_answers_times_out() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(ConnectionFailed, match="timeout"):
            connect(f"postgresql://anna:pw@127.0.0.1:{port}/shop", timeout=2)


def test_a_url_that_cannot_be_read_does_not_leak_its_password() -> None:
    with pytest.raises(ConnectionFailed, match="cannot be read") as failed:
        connect("postgresql://anna:p%zzSecret@host/db")
    assert "Secret" not in str(failed.value)


def test_the_url_given_wins_over_the_environment() -> None:
    environment = {"DATABASE_URL": "postgresql:///b", "MIGSAFE_DATABASE_URL": "postgresql:///a"}
    assert database_url("postgresql:///c", environment) == "postgresql:///c"
    assert database_url(None, environment) == "postgresql:///a"
    assert database_url(None, {"DATABASE_URL": "postgresql:///b"}) == "postgresql:///b"
    with pytest.raises(UsageError, match="no database was given"):
        database_url(None, {})


def test_a_connection_is_known_as_ours_and_as_direct(database: str) -> None:
    with connect(database) as conn:
        assert conn.execute("SHOW application_name").fetchone() == ("migsafe",)
        assert not is_pooled(conn)
