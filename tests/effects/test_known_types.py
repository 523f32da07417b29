"""A type that CREATE TYPE made is no domain, so a column of it is added without a rewrite."""

from migsafe.catalog.history import replay
from migsafe.catalog.model import Catalog
from migsafe.effects.predict import effects_of
from migsafe.sql.script import read_script


def after(sql: str) -> Catalog:
    return replay([("1.sql", read_script(sql))])


def add_column(sql: str, catalog: Catalog) -> tuple[bool, bool]:
    effects = effects_of(read_script(sql).statements[0].operations[0], catalog)
    return bool(effects.rewrites), effects.certain


def test_a_column_of_an_enum_that_the_scripts_made_rewrites_nothing() -> None:
    catalog = after("CREATE TABLE t (a int); CREATE TYPE mood AS ENUM ('sad');")
    assert add_column("ALTER TABLE t ADD COLUMN m mood", catalog) == (False, True)
    assert add_column("ALTER TABLE t ADD COLUMN m public.mood[] DEFAULT '{}'", catalog) == (False, True)


def test_a_column_of_a_domain_that_demands_something_rewrites() -> None:
    catalog = after(
        "CREATE TABLE t (a int); CREATE DOMAIN d AS int CHECK (VALUE > 0); CREATE TYPE s.d AS (a int);"
    )
    assert add_column("ALTER TABLE t ADD COLUMN m d", catalog) == (True, True)


def test_a_domain_with_the_name_of_a_type_that_was_dropped_rewrites() -> None:
    catalog = after(
        "CREATE TYPE mood AS ENUM ('sad'); DROP TYPE mood; CREATE DOMAIN mood AS int CHECK (VALUE > 0);"
    )
    assert add_column("ALTER TABLE t ADD COLUMN m mood", catalog) == (True, True)


def test_a_column_of_a_type_that_nobody_knows_may_rewrite() -> None:
    assert add_column("ALTER TABLE t ADD COLUMN m mood", after("CREATE TABLE t (a int);")) == (True, False)
