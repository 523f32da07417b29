"""A long history takes time in proportion to its length."""

import time
from collections.abc import Callable

import psycopg
import pytest

from migsafe.catalog.history import replay
from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Catalog
from migsafe.sql.names import Name
from migsafe.sql.script import Script, read_script


def history(tables: int) -> Script:
    """Tables with keys, indexes, foreign keys and views; all of them changed, some dropped."""
    lines = ["CREATE TABLE t0 (id bigint PRIMARY KEY);"]
    for n in range(1, tables):
        lines.append(f"CREATE TABLE t{n} (id bigserial PRIMARY KEY, a text, r bigint REFERENCES t0);")
        lines.append(f"CREATE INDEX i{n} ON t{n} (a);")
    lines += [f"ALTER INDEX i{n} RENAME TO j{n}; ALTER TABLE t{n} ADD b int;" for n in range(1, tables)]
    lines += [f"DROP INDEX j{n};" for n in range(1, tables)]
    lines += [f"DROP TABLE t{n};" for n in range(tables // 2, tables)]
    return read_script("\n".join(lines))


def seconds(script: Script) -> float:
    """The best of three: a busy machine makes it slower, never faster."""

    def once() -> float:
        start = time.process_time()
        replay([(None, script)], Catalog(complete=True))
        return time.process_time() - start

    return min(once() for _ in range(3))


def test_twice_as_many_tables_take_about_twice_as_long() -> None:
    # Work that grows with the square would take four times as long.
    assert ratio(lambda n: seconds(history(n)), 400) < 2.9


def ratio(measure: Callable[[int], float], size: int) -> float:
    return measure(2 * size) / measure(size)


@pytest.mark.proof
def test_a_server_with_ten_thousand_tables_is_read_in_seconds(connection: psycopg.Connection) -> None:
    connection.execute("SET client_min_messages = warning")
    for start in range(0, 10_000, 500):
        connection.execute(
            f"""DO $$ BEGIN FOR n IN {start}..{start + 499} LOOP
                EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a text DEFAULT 5, '
                               'b int CHECK (b > 0))', n);
            END LOOP; END $$"""
        )
    began = time.monotonic()
    catalog = read_catalog(connection)
    took = time.monotonic() - began
    assert len(catalog.tables) == 10_000
    assert catalog.table(Name("t9999")) is not None
    assert took < 30, f"{took:.1f} s"
