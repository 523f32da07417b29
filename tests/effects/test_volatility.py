import psycopg

from migsafe.effects.volatility import is_known, volatility_of
from migsafe.sql.operations import AddColumn, Expression
from migsafe.sql.script import read_script


def default_of(sql: str) -> Expression:
    (statement,) = read_script(f"ALTER TABLE t ADD c text DEFAULT {sql}").statements
    (operation,) = statement.operations
    assert isinstance(operation, AddColumn)
    assert operation.column.default is not None
    return operation.column.default


def test_lists_agree_with_the_server(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "SELECT proname, bool_or(provolatile = 'v') FROM pg_proc"
        " WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' GROUP BY proname"
    ).fetchall()
    for name, volatile in rows:
        if is_known(name):
            assert volatility_of(Expression(text="", functions=(name,))).volatile is volatile, name


def test_time_of_the_transaction_is_not_volatile() -> None:
    for text in ("now()", "CURRENT_TIMESTAMP", "localtime(0)", "timezone('utc', now())", "'{}'::jsonb"):
        assert not volatility_of(default_of(text)).volatile, text


def test_a_volatile_function_anywhere_makes_the_expression_volatile() -> None:
    for text in ("clock_timestamp()", "md5(random()::text)", "(1 + nextval('s'))", "pg_catalog.random()"):
        volatility = volatility_of(default_of(text))
        assert volatility.volatile, text
        assert volatility.unknown == ()


def test_an_unknown_function_counts_as_volatile_and_is_named() -> None:
    volatility = volatility_of(default_of("coalesce(public.now(), 'x')"))
    assert volatility.volatile
    assert volatility.unknown == ("public.now",)
