"""Schemas and DDL at random, mostly valid: what is refused is not compared.

The tables are empty on purpose: a rewrite and a scan show all the same, and no row is in the way.
"""

from dataclasses import dataclass, field
from random import Random

TYPES = (
    *("int", "bigint", "smallint", "text", "varchar(20)", "varchar(50)", "varchar", "numeric(10,2)"),
    *("numeric", "numeric(12,2)", "timestamp", "timestamp(3)", "timestamptz", "date", "boolean", "uuid"),
    *("jsonb", "char(5)", "plain", "checked", "mood", "int[]", "text[]", "interval", "varbit(8)", "inet"),
)
NUMBERS = frozenset({"int", "bigint", "smallint", "numeric", "numeric(10,2)", "numeric(12,2)"})
DEFAULTS = {
    "int": ("1", "length('abc')", "(random() * 9)::int", "twice(2)"),
    "text": ("'x'", "current_user", "gen_random_uuid()::text", "random_text()", "NULL"),
    "timestamptz": ("now()", "clock_timestamp()", "'2024-01-01'"),
    "uuid": ("gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'"),
    "jsonb": ("'{}'", "'[]'::jsonb"),
    "mood": ("'sad'",),
}
PRELUDE = (
    "CREATE DOMAIN plain AS text",
    "CREATE DOMAIN checked AS int CHECK (value > 0)",
    "CREATE TYPE mood AS ENUM ('sad', 'happy')",
    "CREATE FUNCTION random_text() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN random(); END $$",
    "CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT a * 2 $$",
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
)


@dataclass(slots=True)
class MadeTable:
    """What the generator knows of a table that it made."""

    name: str
    columns: dict[str, str]
    constraints: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    partitions: list[str] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)
    parent: str | None = None


class Maker:
    """Makes a schema, then statements that fit it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.tables: list[MadeTable] = []
        self.views: list[str] = []

    def schema(self) -> list[str]:
        made = list(PRELUDE)
        for number in range(self.random.randint(2, 5)):
            shape = self.random.choice(("plain", "plain", "plain", "partitioned", "inherits"))
            made += self._table(f"t{number}", shape)
        for _ in range(self.random.randint(0, 6)):
            made += self._extra()
        return made

    def _table(self, name: str, shape: str) -> list[str]:
        types = {"id": self.random.choice(("int", "bigint")), "k": "int"}
        for column in "abcd"[: self.random.randint(1, 4)]:
            types[column] = self.random.choice(TYPES)
        table = MadeTable(name, dict(types))
        pieces = [f"{column} {type_}{self._suffix(type_)}" for column, type_ in types.items()]
        key = "id, k" if shape == "partitioned" else "id"
        if self.random.random() < 0.7:
            pieces.append(f"CONSTRAINT {name}_pkey PRIMARY KEY ({key})")
            table.constraints.append(f"{name}_pkey")
        if self.random.random() < 0.4:
            column = self.random.choice(list(types))
            condition = self.random.choice(
                (f"{column} IS NOT NULL", f"{column} IS NOT NULL AND k > 0", "k > 0")
            )
            pieces.append(f"CONSTRAINT {name}_ck CHECK ({condition})")
            table.constraints.append(f"{name}_ck")
        if self.random.random() < 0.2 and "a" in types and types["a"] in NUMBERS:
            pieces.append("g bigint GENERATED ALWAYS AS (k + 1) STORED")
            table.columns["g"] = "bigint"
        self.tables.append(table)
        body = ", ".join(pieces)
        if shape == "partitioned":
            return [f"CREATE TABLE {name} ({body}) PARTITION BY RANGE (k)", *self._partitions(table)]
        if shape == "inherits":
            child = MadeTable(f"{name}_child", dict(table.columns), parent=name)
            self.tables.append(child)
            return [
                f"CREATE TABLE {name} ({body})",
                f"CREATE TABLE {child.name} (extra int) INHERITS ({name})",
            ]
        return [f"CREATE TABLE {name} ({body})"]

    def _suffix(self, type_: str) -> str:
        not_null = " NOT NULL" if self.random.random() < 0.25 else ""
        if type_ in DEFAULTS and self.random.random() < 0.3:
            return f" DEFAULT {self.random.choice(DEFAULTS[type_])}{not_null}"
        return not_null

    def _partitions(self, table: MadeTable) -> list[str]:
        made = []
        for number in range(self.random.randint(0, 2)):
            part = f"{table.name}_p{number}"
            bounds = f"FOR VALUES FROM ({number * 10}) TO ({number * 10 + 10})"
            made.append(f"CREATE TABLE {part} PARTITION OF {table.name} {bounds}")
            table.partitions.append(part)
        if self.random.random() < 0.5:
            made.append(f"CREATE TABLE {table.name}_default PARTITION OF {table.name} DEFAULT")
            table.partitions.append(f"{table.name}_default")
        self.tables += [MadeTable(part, dict(table.columns), parent=table.name) for part in table.partitions]
        return made

    def _extra(self) -> list[str]:
        table, other = self.random.choice(self.tables), self.random.choice(self.tables)
        column = self.random.choice(list(table.columns))
        number = self.random.randint(0, 999)
        kind = self.random.choice(("index", "index", "fk", "fk", "view", "check", "trigger", "unique"))
        if kind == "index":
            name = f"i{number}"
            table.indexes.append(name)
            form = self.random.choice((column, f"{column}, id", "(k + 1)", f"{column}) WHERE (k > 0"))
            return [f"CREATE INDEX {name} ON {table.name} ({form})"]
        if kind == "fk":
            name = f"f{number}"
            table.constraints.append(name)
            columns, keys = ("id, k", " (id, k)") if other.partitions else ("id", "")
            end = self.random.choice(("", " NOT VALID"))
            return [
                f"ALTER TABLE {table.name} ADD CONSTRAINT {name} FOREIGN KEY ({columns})"
                f" REFERENCES {other.name}{keys}{end}"
            ]
        if kind == "view":
            name = f"v{number}"
            self.views.append(name)
            return [
                f"CREATE {self.random.choice(('', 'MATERIALIZED '))}VIEW {name}"
                f" AS SELECT id FROM {table.name}"
            ]
        if kind == "trigger":
            table.triggers.append(f"g{number}")
            return [
                f"CREATE TRIGGER g{number} BEFORE INSERT ON {table.name}"
                " FOR EACH ROW EXECUTE FUNCTION touch()"
            ]
        table.constraints.append(f"c{number}")
        if kind == "unique":
            return [f"ALTER TABLE {table.name} ADD CONSTRAINT c{number} UNIQUE ({column}, k)"]
        end = self.random.choice(("", " NOT VALID"))
        return [f"ALTER TABLE {table.name} ADD CONSTRAINT c{number} CHECK ({column} IS NOT NULL){end}"]

    def statement(self) -> str:
        table = self.random.choice(self.tables)
        make = self.random.choice((self._alter, self._alter, self._alter, self._constraint, self._other))
        return make(table)

    def _alter(self, table: MadeTable) -> str:
        actions = [self._column_action(table) for _ in range(self.random.choice((1, 1, 1, 1, 2)))]
        if any(action.startswith("RENAME") for action in actions):
            actions = actions[:1]
        only = "ONLY " if self.random.random() < 0.1 else ""
        return f"ALTER TABLE {only}{table.name} {', '.join(actions)}"

    def _column_action(self, table: MadeTable) -> str:
        column = self.random.choice(list(table.columns))
        new, type_ = f"n{self.random.randint(0, 99)}", self.random.choice(TYPES)
        cascade = self.random.choice(("", " CASCADE"))
        constraint = self.random.choice(("", "", "", " UNIQUE", f" CHECK ({new} IS NULL)", self._reference()))
        default = self.random.choice(DEFAULTS.get(table.columns[column], ("NULL",)))
        return self.random.choice(
            (
                f"ADD COLUMN {new} {type_}{self._suffix(type_)}{constraint}",
                f"ADD COLUMN {new} {type_}{self._suffix(type_)}",
                f"ADD COLUMN IF NOT EXISTS {column} {type_}",
                f"ADD COLUMN {new} int GENERATED ALWAYS AS IDENTITY",
                f"ADD COLUMN {new} bigint GENERATED ALWAYS AS (k + 1) STORED",
                f"ADD COLUMN {new} serial",
                f"DROP COLUMN {column}{cascade}",
                f"ALTER COLUMN {column} SET DEFAULT {default}",
                f"ALTER COLUMN {column} DROP DEFAULT",
                f"ALTER COLUMN {column} SET NOT NULL",
                f"ALTER COLUMN {column} DROP NOT NULL",
                f"ALTER COLUMN {column} TYPE {type_}",
                f"ALTER COLUMN {column} TYPE {type_}",
                f"ALTER COLUMN {column} TYPE {type_} USING {column}::{type_}",
                f"ALTER COLUMN {column} TYPE text USING upper({column}::text)",
                f"ALTER COLUMN {column} SET STATISTICS 20",
                f"ALTER COLUMN {column} SET STORAGE PLAIN",
                f"RENAME COLUMN {column} TO {new}",
            )
        )

    def _reference(self) -> str:
        return f" REFERENCES {self.random.choice(self.tables).name} (id)"

    def _constraint(self, table: MadeTable) -> str:
        column = self.random.choice(list(table.columns))
        known = self.random.choice(table.constraints or [f"{table.name}_pkey"])
        other = self.random.choice(self.tables)
        end = self.random.choice(("", " NOT VALID"))
        cascade = self.random.choice(("", " CASCADE"))
        action = self.random.choice(
            (
                f"ADD CHECK ({column} IS NOT NULL){end}",
                f"ADD CONSTRAINT q CHECK (k > 0){end}",
                f"ADD CONSTRAINT q CHECK (k > 0) NO INHERIT{end}",
                f"ADD UNIQUE ({column})",
                f"ADD CONSTRAINT q UNIQUE ({column}, k)",
                f"ADD PRIMARY KEY ({column}, k)",
                f"ADD CONSTRAINT q FOREIGN KEY (id) REFERENCES {other.name} (id){end}",
                f"ADD FOREIGN KEY (id, k) REFERENCES {other.name} (id, k){end}",
                f"ADD EXCLUDE USING btree ({column} WITH =)",
                f"DROP CONSTRAINT {known}{cascade}",
                f"DROP CONSTRAINT IF EXISTS {known}",
                f"VALIDATE CONSTRAINT {known}",
                f"RENAME CONSTRAINT {known} TO q",
                f"ALTER CONSTRAINT {known} DEFERRABLE",
            )
        )
        only = "ONLY " if self.random.random() < 0.1 else ""
        return f"ALTER TABLE {only}{table.name} {action}"

    def _other(self, table: MadeTable) -> str:
        column = self.random.choice(list(table.columns))
        other = self.random.choice(self.tables)
        index = self.random.choice(table.indexes or [f"{table.name}_pkey"])
        view = self.random.choice(self.views or ["no_view"])
        cascade = self.random.choice(("", " CASCADE"))
        trigger = self.random.choice(table.triggers or ["no_trigger"])
        return self.random.choice(
            (
                f"CREATE INDEX q ON {table.name} ({column})",
                f"CREATE UNIQUE INDEX q ON {table.name} ({column}, k)",
                f"CREATE INDEX q ON ONLY {table.name} ({column}) WHERE k > 0",
                f"DROP INDEX {index}{cascade}",
                f"REINDEX TABLE {table.name}",
                f"REINDEX INDEX {index}",
                f"CLUSTER {table.name} USING {index}",
                f"TRUNCATE {table.name}{cascade}",
                f"TRUNCATE {table.name}, {other.name}",
                f"DROP TABLE {table.name}{cascade}",
                f"DROP TABLE {table.name}, {other.name}{cascade}",
                f"DROP VIEW {view}{cascade}",
                f"DROP MATERIALIZED VIEW {view}{cascade}",
                f"REFRESH MATERIALIZED VIEW {view}",
                f"CREATE OR REPLACE VIEW {view} AS SELECT id FROM {table.name}",
                f"ALTER TABLE {table.name} RENAME TO q",
                f"ALTER TABLE {table.name} SET (fillfactor = 70)",
                f"ALTER TABLE {table.name} SET UNLOGGED",
                f"ALTER TABLE {table.name} REPLICA IDENTITY FULL",
                f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY",
                f"ALTER TABLE {table.name} DISABLE TRIGGER ALL",
                f"ALTER TABLE {table.name} INHERIT {other.name}",
                f"ALTER TABLE {table.name} NO INHERIT {other.name}",
                f"ALTER TABLE {other.parent or other.name} DETACH PARTITION {other.name}",
                f"ALTER TABLE {table.name} ATTACH PARTITION {other.name} FOR VALUES FROM (90) TO (99)",
                f"CREATE TABLE q PARTITION OF {table.name} FOR VALUES FROM (50) TO (60)",
                f"CREATE TABLE q PARTITION OF {table.name} DEFAULT",
                f"CREATE TABLE q (id int REFERENCES {table.name} (id), k int)",
                f"CREATE TABLE q () INHERITS ({table.name})",
                f"CREATE TABLE q (LIKE {table.name} INCLUDING ALL)",
                f"CREATE TRIGGER q AFTER INSERT ON {table.name} FOR EACH ROW EXECUTE FUNCTION touch()",
                f"DROP TRIGGER {trigger} ON {table.name}",
                f"DROP TRIGGER IF EXISTS {trigger} ON {table.name}",
                f"COMMENT ON COLUMN {table.name}.{column} IS 'x'",
                f"ANALYZE {table.name}, {other.name}",
                f"LOCK TABLE {table.name} IN SHARE MODE",
                "ALTER DOMAIN checked ADD CONSTRAINT q CHECK (value < 99)",
                "ALTER DOMAIN plain SET NOT NULL",
                "DROP TYPE mood CASCADE",
                "DROP DOMAIN plain CASCADE",
                "ALTER TYPE mood ADD VALUE 'q'",
            )
        )
