import psycopg

from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Column, Dependent
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintKind, Generated, TypeName
from migsafe.sql.types import parse_type

SCHEMA = """
CREATE TABLE owners (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TYPE mood AS ENUM ('fine', 'odd');
CREATE TABLE pets (
    id serial PRIMARY KEY,
    owner_id bigint REFERENCES owners (id),
    name varchar(50) NOT NULL DEFAULT 'Rex',
    "Odd Name" numeric(10, 2)[],
    mood mood,
    born timestamp(3) with time zone CHECK (born > '2000-01-01'),
    shout text GENERATED ALWAYS AS (upper('x' || name)) STORED,
    UNIQUE (owner_id, name)
);
CREATE INDEX pets_lower ON pets (lower(name)) WHERE born IS NOT NULL;
CREATE VIEW names AS SELECT name FROM pets;
ALTER TABLE pets ADD CONSTRAINT later CHECK (owner_id > 0) NOT VALID;
GRANT SELECT (mood) ON pets TO public;
"""


def test_a_live_catalog_knows_what_a_plan_must_carry_over(connection: psycopg.Connection) -> None:
    connection.execute(SCHEMA)
    catalog = read_catalog(connection)
    pets = catalog.table(Name("pets"))
    assert pets is not None
    assert catalog.complete
    assert catalog.server_version == connection.info.server_version
    assert pets.column("name") == Column(
        name="name",
        type=TypeName(name="character varying", modifiers=("50",)),
        not_null=True,
        default="'Rex'::character varying",
    )
    odd = pets.column("Odd Name")
    assert odd is not None
    assert str(odd.type) == "numeric(10,2)[]"
    serial, generated = pets.column("id"), pets.column("shout")
    assert serial is not None
    assert generated is not None
    assert (serial.is_serial, generated.generated) == (True, Generated.STORED)
    kinds = {constraint.name: (constraint.kind, constraint.validated) for constraint in pets.constraints}
    assert kinds == {
        "pets_pkey": (ConstraintKind.PRIMARY_KEY, True),
        "pets_owner_id_fkey": (ConstraintKind.FOREIGN_KEY, True),
        "pets_born_check": (ConstraintKind.CHECK, True),
        "pets_owner_id_name_key": (ConstraintKind.UNIQUE, True),
        "later": (ConstraintKind.CHECK, False),
    }
    partial = next(index for index in pets.indexes if index.name == "pets_lower")
    assert partial.columns == ("born", "name")
    assert pets.dependents == (
        Dependent(column="mood", description="privileges granted on the column"),
        Dependent(column="name", description="generated column shout"),
        Dependent(column="name", description="view public.names"),
    )
    owners = catalog.table(Name("owners"))
    assert owners is not None
    assert owners.referenced_by == (Name("pets", "public"),)


def test_types_are_taken_apart_exactly() -> None:
    assert parse_type("timestamp(3) with time zone[]") == TypeName(
        name="timestamp with time zone", modifiers=("3",), array_dimensions=1
    )
    assert parse_type('"My Schema"."my type"') == TypeName(name="my type", schema="My Schema")
    for text in (
        "timestamp(3) with time zone",
        "character varying(80)",
        "bit(1)",
        "interval day to second(3)",
    ):
        assert str(parse_type(text)) == text
    assert parse_type("no type, this") is None


def test_an_empty_database_is_an_empty_catalog(connection: psycopg.Connection) -> None:
    assert read_catalog(connection).tables == {}
