"""A known conversion does what PostgreSQL's own assignment does, and says before where that would fail."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migsafe.catalog.live import read_catalog
from migsafe.plan.conversion.casts import convert
from migsafe.plan.conversion.conversions import Conversion, fill, type_sql
from migsafe.sql.operations import TypeName
from migsafe.sql.types import parse_type

NUMBERS = [
    "0",
    "1",
    "-1",
    "99",
    "99.5",
    "99.4",
    "-99.995",
    "999999",
    "2147483647",
    "2147483648",
    "1e20",
    "NaN",
]
TEXTS = ["", "a", "abcde", "abcdef", "abcde   ", "ä" * 5, "ä" * 6, "fine", "sad", "other"]
MOOD = "CREATE TYPE mood AS ENUM ('fine', 'sad')"
PAIRS = [
    *[(old, new) for old in ("bigint", "integer") for new in ("smallint", "integer", "numeric(4,2)")],
    *[("numeric", new) for new in ("integer", "numeric(4,2)", "numeric(2,2)", "numeric(3)", "bigint")],
    *[("numeric(10,4)", new) for new in ("numeric(6,2)", "numeric", "smallint", "numeric(12,5)")],
    *[("text", new) for new in ("character varying(5)", "character varying", "public.mood")],
    *[("character varying(8)", new) for new in ("character varying(5)", "text", "public.mood")],
    *[("public.mood", new) for new in ("text", "character varying(3)")],
]


def known(connection: psycopg.Connection, old: str, new: str) -> tuple[TypeName, TypeName, Conversion]:
    types = [parse_type(each) for each in (old, new)]
    assert types[0] is not None
    assert types[1] is not None
    conversion = convert(types[0], types[1], read_catalog(connection))
    if conversion is None:
        pytest.skip("the same type")
    return types[0], types[1], conversion


def one(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    return None if row is None else row[0]


@pytest.mark.parametrize(("old", "new"), [pair for pair in PAIRS if pair[0] != pair[1]])
def test_the_way_up_is_postgresqls_own_and_says_where_that_fails(
    connection: psycopg.Connection, old: str, new: str
) -> None:
    connection.execute(MOOD)
    before, after, conversion = known(connection, old, new)
    connection.execute(f"CREATE TABLE naive (v {type_sql(after)})".encode())
    seen = set()
    for sample in [*NUMBERS, *TEXTS]:
        value = f"'{sample}'::{type_sql(before)}"
        try:
            one(connection, f"SELECT {value}")
        except psycopg.DataError:
            continue  # no value of the old type
        through_text = "::text" if "mood" in new else ""
        try:
            cast = f"::{type_sql(after)}" if "mood" in new + old else ""
            connection.execute("TRUNCATE naive")
            wanted = one(
                connection, f"INSERT INTO naive VALUES (({value}){through_text}{cast}) RETURNING v::text"
            )
            fails = False
            if "mood" in old and "(" in new:  # an explicit cast cuts, the migration's own does not
                fails = len(sample) > 3
        except (psycopg.DataError, psycopg.NotSupportedError):
            wanted, fails = None, True
        fits = fill(conversion.up_fits or "true", f"({value})")
        up = fill(conversion.up, f"({value})")
        told = connection.execute(f"SELECT {fits}, ({up})::text".encode()).fetchone()
        assert told == (not fails, None if fails else wanted), sample
        seen.add(fails)
    assert False in seen
    assert (True in seen) == (conversion.up_fits is not None) or old == "integer"


@pytest.mark.parametrize(("old", "new"), [pair for pair in PAIRS if pair[0] != pair[1]])
def test_what_fits_on_the_way_down_comes_up_again_as_it_was(
    connection: psycopg.Connection, old: str, new: str
) -> None:
    connection.execute(MOOD)
    before, after, conversion = known(connection, old, new)
    for sample in [*NUMBERS, *TEXTS]:
        value = f"'{sample}'::{type_sql(after)}"
        try:
            one(connection, f"SELECT {value}")
        except psycopg.DataError:
            continue
        if not one(connection, f"SELECT {fill(conversion.fits or 'true', f'({value})')}"):
            if conversion.nearest is not None:
                nearest = fill(conversion.nearest, f"({value})")
                one(connection, f"SELECT ({nearest})::{type_sql(before)}")
            continue
        down = f"({fill(conversion.down, f'({value})')})::{type_sql(before)}"
        same = f"SELECT ({fill(conversion.up, f'({down})')})::text = ({value})::text"
        if "numeric" not in old + new:  # 1.5 comes back as 1.50
            assert one(connection, same) is True, sample
        else:
            assert one(connection, f"SELECT {fill(conversion.up, f'({down})')} = {value}") is True, sample


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9),
    precision=st.integers(1, 12),
    scale=st.integers(0, 12),
)
def test_a_number_has_room_exactly_where_postgresql_says_so(
    connection: psycopg.Connection, value: Any, precision: int, scale: int
) -> None:
    scale = min(scale, precision)
    new = TypeName(name="numeric", modifiers=(str(precision), str(scale)))
    conversion = convert(TypeName(name="numeric"), new)
    assert conversion is not None
    assert conversion.up_fits is not None
    literal = f"'{value}'::numeric"
    try:
        wanted = one(connection, f"SELECT {literal}::{new}")
    except psycopg.DataError:
        wanted = None
    assert one(connection, f"SELECT {fill(conversion.up_fits, literal)}") is (wanted is not None)
    assert one(connection, f"SELECT {fill(conversion.up, literal)}") == wanted
