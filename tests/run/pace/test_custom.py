"""Signals of the user's own: real web services, and what becomes of answers that say nothing."""

import json
import math

import psycopg
import pytest
from psycopg import sql

from migsafe.config.pace import CustomSignal, Kind
from migsafe.errors import MigsafeError, RunError
from migsafe.run.connect import connect
from migsafe.run.pace.custom import HttpSignal, PgBouncerWaiting, PrometheusSignal, SqlSignal, asker
from tests.run.pace.conftest import Web


def nobody(query: sql.Composable) -> list[tuple[object, ...]]:
    pytest.fail(f"the database was asked {query}")


def http(web: Web, *, limit: str = "", **more: str) -> HttpSignal:
    return HttpSignal(CustomSignal(name="service", kind=Kind.HTTP, url=web.url, limit=limit, **more))  # type: ignore[arg-type]  # all texts


def prometheus(web: Web) -> PrometheusSignal:
    return PrometheusSignal(
        CustomSignal(name="p99", kind=Kind.PROMETHEUS, url=web.url, query='max(x{a="b"})', limit="1")
    )


@pytest.mark.parametrize(("status", "value"), [(200, 0.0), (204, 0.0), (429, math.inf), (503, math.inf)])
def test_a_service_says_yes_or_no_by_its_status(web: Web, status: int, value: float) -> None:
    web.status = status
    assert http(web).read(nobody).value == value


@pytest.mark.parametrize("status", [301, 401, 404, 500])
def test_other_answers_say_neither(web: Web, status: int) -> None:
    web.status = status
    with pytest.raises(RunError, match=f"it answers {status}"):
        http(web).read(nobody)


def test_with_a_limit_the_body_is_the_number(web: Web) -> None:
    web.body = " 12.5\n"
    assert http(web, limit="10..20").read(nobody).value == 12.5
    for body in ("", "much", "nan"):
        web.body = body
        with pytest.raises(RunError, match=r"no number|not a number"):
            http(web, limit="10..20").read(nobody)


def test_a_token_comes_from_the_environment_and_is_in_no_message(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = http(web, token_env="PACE_TOKEN")  # noqa: S106 -- a name of a variable
    with pytest.raises(RunError, match="PACE_TOKEN is not set"):
        signal.read(nobody)
    monkeypatch.setenv("PACE_TOKEN", "s3cret")
    web.status = 500
    with pytest.raises(RunError) as refused:
        signal.read(nobody)
    assert "s3cret" not in str(refused.value)
    assert web.asked == [("/", "Bearer s3cret")]


def test_a_url_of_the_environment_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = HttpSignal(CustomSignal(name="x", kind=Kind.HTTP, limit="", url_env="PACE_URL"))
    monkeypatch.setenv("PACE_URL", "https://me:s3cret@example.org")
    with pytest.raises(RunError) as refused:
        signal.read(nobody)
    assert "s3cret" not in str(refused.value)


def test_a_service_that_is_gone_is_an_error_of_ours(web: Web) -> None:
    signal = http(web)
    web.server.shutdown()
    web.server.server_close()
    with pytest.raises(MigsafeError, match="did not answer"):
        signal.read(nobody)


@pytest.mark.parametrize(
    ("result_type", "result", "value"),
    [
        ("scalar", [1700000000, "0.25"], 0.25),
        ("vector", [{"metric": {}, "value": [1700000000, "3"]}], 3.0),
        ("vector", [{"value": [1, "3"]}, {"value": [1, "7"]}, {"value": [1, "5"]}], 7.0),
    ],
)
def test_prometheus_gives_the_largest_value(web: Web, result_type: str, result: object, value: float) -> None:
    web.body = json.dumps({"status": "success", "data": {"resultType": result_type, "result": result}})
    assert prometheus(web).read(nobody).value == value
    assert web.asked == [("/api/v1/query?query=max%28x%7Ba%3D%22b%22%7D%29", None)]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"status": "error"}',
        '{"data": {"resultType": "vector", "result": []}}',
        '{"data": {"resultType": "scalar", "result": [1, "NaN"]}}',
        '{"data": {"resultType": "matrix", "result": [{"values": [[1, "1"]]}]}}',
    ],
)
def test_an_answer_of_prometheus_without_a_number_is_no_zero(web: Web, body: str) -> None:
    web.body = body
    with pytest.raises(RunError):
        prometheus(web).read(nobody)


def test_sql_only_reads_has_a_timeout_and_leaves_the_connection_usable(
    connection: psycopg.Connection, database: str
) -> None:
    connection.execute("CREATE TABLE load AS SELECT 7.5::numeric AS value")
    with connect(database) as conn:
        ask = asker(conn, seconds=0.2)

        def read(query: str) -> float | None:
            return SqlSignal(CustomSignal(name="x", kind=Kind.SQL, query=query, limit="1")).read(ask).value

        assert read("SELECT value FROM load; -- the load") == 7.5
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            read("DELETE FROM load RETURNING 1")
        with pytest.raises(psycopg.errors.QueryCanceled):
            read("SELECT pg_sleep(5)")
        with pytest.raises(RunError, match="'much', which is no number"):
            read("SELECT 'much'")
        with pytest.raises(RunError, match="no value"):
            read("SELECT value FROM load WHERE false")
        assert read("SELECT value FROM load") == 7.5
        row = conn.execute("SELECT current_setting('statement_timeout')").fetchone()
        assert row == ("0",)


def test_sql_may_be_asked_of_another_server(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = SqlSignal(
        CustomSignal(name="x", kind=Kind.SQL, query="SELECT 5", limit="1", database_env="OTHER_DATABASE")
    )
    with pytest.raises(RunError, match="OTHER_DATABASE is not set"):
        signal.read(nobody)
    monkeypatch.setenv("OTHER_DATABASE", database)
    assert signal.read(nobody).value == 5
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(psycopg.OperationalError):
        signal.read(nobody)
    assert signal.read(nobody).value == 5
    signal.close()


def test_a_console_that_does_not_answer_says_so_without_its_password() -> None:
    assert not PgBouncerWaiting(None).read(nobody).available
    with pytest.raises(RunError, match="console does not answer") as refused:
        PgBouncerWaiting("postgresql://me:s3cret@127.0.0.1:1/pgbouncer").read(nobody)
    assert "s3cret" not in str(refused.value)
    with pytest.raises(RunError, match=r"not a URL|does not answer"):
        PgBouncerWaiting("postgresql://me:s3cret@[::1/x").read(nobody)
