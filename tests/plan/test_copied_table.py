"""A table that makes way for a copy of itself: what the triggers carry over, and what is refused."""

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, SerializationFailure

from migsafe.errors import PlanError
from migsafe.plan.model import DdlStep, Plan
from migsafe.plan.stages import Stage

from .conftest import Planner, carry_out, take_back

_ORDERS = """
CREATE TABLE orders (id bigserial PRIMARY KEY, at integer NOT NULL DEFAULT 1, more json, note text);
INSERT INTO orders (at, note) SELECT n % 20, 'note ' || n FROM generate_series(1, 40) n;
"""
_SCRIPT = """
CREATE TABLE parts (LIKE orders INCLUDING DEFAULTS, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (100);
{more}
INSERT INTO parts SELECT * FROM orders;
ALTER TABLE orders RENAME TO orders_old;
ALTER TABLE parts RENAME TO orders;
"""
_DEFAULT = "CREATE TABLE parts_rest PARTITION OF parts DEFAULT;"
_DIFFERENT = """
SELECT id, at, more::text, note FROM {one} EXCEPT ALL SELECT id, at, more::text, note FROM {other}
UNION ALL (SELECT id, at, more::text, note FROM {other} EXCEPT ALL SELECT id, at, more::text, note FROM {one})
"""


@pytest.fixture
def plan(connection: psycopg.Connection, plan_for: Planner) -> Plan:
    """The plan, with the new table there and nothing copied yet."""
    found = plan_for(_ORDERS, _SCRIPT.format(more=_DEFAULT))
    carry_out(connection, found, Stage.EXPANDED)
    return found


def copy(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO parts SELECT * FROM orders ON CONFLICT DO NOTHING")


def differences(connection: psycopg.Connection, one: str, other: str) -> list[tuple[object, ...]]:
    return connection.execute(_DIFFERENT.format(one=one, other=other).encode()).fetchall()


WRITES = [
    "INSERT INTO orders (at, note) VALUES (15, 'new')",
    "UPDATE orders SET note = 'other', more = '{\"a\":  1}' WHERE id = 3",
    "UPDATE orders SET at = 17 WHERE id = 3",
    "UPDATE orders SET id = 9000 WHERE id = 4",
    "DELETE FROM orders WHERE id IN (5, 6)",
    "INSERT INTO orders (id, at) VALUES (7, 3) ON CONFLICT DO NOTHING",
    "WITH moved AS (DELETE FROM orders WHERE id < 10 RETURNING *) SELECT count(*) FROM moved",
    "INSERT INTO orders (at) SELECT n FROM generate_series(1, 30) n",
    "TRUNCATE orders",
]


def test_every_kind_of_write_is_carried_over_and_back(connection: psycopg.Connection, plan: Plan) -> None:
    copy(connection)
    for write in WRITES[:-1]:
        connection.execute(write.encode())
        assert not differences(connection, "orders", "parts"), write
    swap(connection, plan)
    for write in WRITES:
        connection.execute(write.encode())
        assert not differences(connection, "orders", "orders_old"), write


def test_before_the_copy_a_write_brings_its_row_along(connection: psycopg.Connection, plan: Plan) -> None:
    del plan
    connection.execute("UPDATE orders SET note = 'changed' WHERE id = 3")
    connection.execute("DELETE FROM orders WHERE id = 4")
    copy(connection)
    assert not differences(connection, "orders", "parts")


def test_the_last_write_wins_when_a_trigger_writes_the_same_row_again(
    connection: psycopg.Connection, plan: Plan
) -> None:
    copy(connection)
    connection.execute(
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE orders SET note = "
        "'again' "
        "WHERE id = NEW.id; RETURN NULL; END $$"
    )
    connection.execute('CREATE TRIGGER "A" AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION again()')
    connection.execute("INSERT INTO orders (note) VALUES ('first')")
    assert not differences(connection, "orders", "parts")
    assert plan.subjects


def test_a_row_that_was_copied_after_the_snapshot_is_not_left_behind(
    connection: psycopg.Connection, plan: Plan, database: str
) -> None:
    """The application deletes it in a transaction that cannot see the copy."""
    del plan
    with psycopg.connect(database) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT 1 FROM orders LIMIT 1")
        copy(connection)
        with pytest.raises(SerializationFailure):
            other.execute("DELETE FROM orders WHERE id = 3")
    with psycopg.connect(database) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("DELETE FROM orders WHERE id = 3")
    assert not differences(connection, "orders", "parts")


def test_who_may_write_the_old_table_needs_no_rights_on_the_new_one(
    connection: psycopg.Connection, plan_for: Planner
) -> None:
    connection.execute("CREATE ROLE clerk_of_orders")
    try:
        rights = "GRANT SELECT, UPDATE (note) ON orders TO clerk_of_orders;"
        plan = plan_for(_ORDERS + rights, _SCRIPT.format(more=_DEFAULT))
        carry_out(connection, plan, Stage.EXPANDED)
        copy(connection)
        connection.execute("SET ROLE clerk_of_orders")
        connection.execute("UPDATE orders SET note = 'mine' WHERE id = 3")
        with pytest.raises(InsufficientPrivilege):
            connection.execute("UPDATE orders SET at = 2 WHERE id = 3")
        connection.execute("RESET ROLE")
        assert not differences(connection, "orders", "parts")
        swap(connection, plan)
        connection.execute("SET ROLE clerk_of_orders")
        connection.execute("UPDATE orders SET note = 'still mine' WHERE id = 3")
        with pytest.raises(InsufficientPrivilege):
            connection.execute("DELETE FROM orders WHERE id = 3")
        connection.execute("RESET ROLE")
    finally:
        connection.execute("DROP OWNED BY clerk_of_orders; DROP ROLE clerk_of_orders")


def test_a_row_that_the_new_table_refuses_is_noted_and_the_write_succeeds(
    connection: psycopg.Connection, plan_for: Planner
) -> None:
    plan = plan_for(_ORDERS, _SCRIPT.format(more=""))
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO orders (id, at) VALUES (70, 4000)")
    assert connection.execute("SELECT kind, detail FROM migsafe.noted").fetchall() == [
        ("unrepresentable", '{"at": 4000, "id": 70}')
    ]
    assert any("may refuse rows" in warning for warning in plan.warnings)


def test_an_identity_goes_on_where_it_stood_there_and_back(
    connection: psycopg.Connection, plan_for: Planner
) -> None:
    plan = plan_for(
        "CREATE TABLE pieces (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);"
        "INSERT INTO pieces (note) SELECT 'x' FROM generate_series(1, 5);",
        "ALTER TABLE pieces SET UNLOGGED;",
    )
    carry_out(connection, plan, Stage.EXPANDED)
    new = plan.steps[0].id.removeprefix("expand.create.")
    connection.execute(f"INSERT INTO {new} OVERRIDING SYSTEM VALUE SELECT * FROM pieces".encode())
    carry_out(connection, plan, Stage.VERIFIED)
    assert connection.execute("INSERT INTO pieces (note) VALUES ('y') RETURNING id").fetchone() == (6,)
    with connection.transaction():
        take_back(connection, plan, Stage.VERIFIED)
    assert connection.execute("INSERT INTO pieces (note) VALUES ('z') RETURNING id").fetchone() == (7,)
    assert connection.execute("SELECT count(*) FROM pieces").fetchone() == (7,)


def test_a_key_that_changes_is_no_row_that_goes(connection: psycopg.Connection, plan_for: Planner) -> None:
    plan = plan_for(
        "CREATE TABLE shops (id bigint PRIMARY KEY, city text); INSERT INTO shops VALUES (1, 'x'), (2, 'y');"
        "CREATE TABLE sales (id int, of bigint REFERENCES shops ON DELETE CASCADE ON UPDATE CASCADE);"
        "INSERT INTO sales VALUES (1, 1), (2, 2);",
        _ANEW,
    )
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO shops_new SELECT * FROM shops")
    for step in plan.steps_to(Stage.VERIFIED):
        if isinstance(step, DdlStep) and not step.id.startswith("verify.swap"):
            for statement in step.sql:
                connection.execute(statement.encode())
        if step.id.endswith("let_go"):
            break
    connection.execute("UPDATE shops SET id = id + 10")
    connection.execute("DELETE FROM shops WHERE id = 12")
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert connection.execute("SELECT id, of FROM sales").fetchall() == [(1, 11)]
    assert connection.execute("SELECT id FROM shops_new").fetchall() == [(11,)]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("INSERT INTO sales VALUES (3, 99); SET CONSTRAINTS ALL IMMEDIATE")


_ANEW = """
CREATE TABLE shops_new (LIKE shops INCLUDING ALL);
INSERT INTO shops_new SELECT * FROM shops;
ALTER TABLE shops RENAME TO shops_old;
ALTER TABLE shops_new RENAME TO shops;
"""
REFUSED = {
    "CREATE TABLE lines (of bigint REFERENCES orders);": "no foreign key can refer to it there",
    "CREATE MATERIALIZED VIEW latest AS SELECT * FROM orders;": "filled again while nobody",
    "ALTER TABLE orders ENABLE ROW LEVEL SECURITY;": "row security",
    "ALTER TABLE orders DROP CONSTRAINT orders_pkey;": "no primary key",
}


@pytest.mark.parametrize("more", REFUSED)
def test_what_could_not_follow_is_refused(plan_for: Planner, more: str) -> None:
    with pytest.raises(PlanError, match=REFUSED[more]):
        plan_for(_ORDERS + more, _SCRIPT.format(more=_DEFAULT))


def test_a_new_table_in_which_rows_could_not_be_found_is_refused(plan_for: Planner) -> None:
    script = _SCRIPT.format(more=_DEFAULT).replace(", PRIMARY KEY (id, at)", "")
    with pytest.raises(PlanError, match="PRIMARY KEY \\(id"):
        plan_for(_ORDERS, script)


@pytest.mark.parametrize("statement", ["VACUUM FULL orders;", "CLUSTER orders USING orders_pkey;"])
def test_what_other_tools_do_is_refused_with_their_names(plan_for: Planner, statement: str) -> None:
    with pytest.raises(PlanError, match="pg_repack"):
        plan_for(_ORDERS, statement)


def swap(connection: psycopg.Connection, plan: Plan) -> None:
    step = plan.steps_to(Stage.VERIFIED)[-1]
    assert isinstance(step, DdlStep)
    with connection.transaction():
        for statement in step.sql:
            connection.execute(statement.encode())
