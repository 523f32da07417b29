"""Statements at random that fit a catalog, so that a server accepts most of them."""

from collections.abc import Callable
from random import Random

from migsafe.catalog.model import Catalog, Column, Table, View
from migsafe.effects.prediction import Prediction
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintKind
from tests.verify.actions import ActionWriter
from tests.verify.pieces import in_partition_key, keys, maybe, some, sortable, sql

Make = Callable[[], str | None]


class Writer:
    """Writes statements for the schema of a catalog."""

    def __init__(self, random: Random, catalog: Catalog, server_version: int) -> None:
        self.random = random
        self.catalog = catalog
        self.version = server_version
        self.tables = [each for each in catalog.tables.values() if each.columns]
        self.views = list(catalog.views.values())
        self.prediction = Prediction(catalog=catalog, server_version=server_version)

    def statement(self) -> str:
        """A statement that may run in a transaction."""
        kinds: list[tuple[int, Make]] = [
            (42, self._alter),
            (14, self._constraint),
            (10, self._index),
            (6, self._partition),
            (5, self._inherit),
            (6, self._view),
            (7, self._create),
            (7, self._drop),
            (5, self._whole),
            (4, self._on_table),
            (3, self._type),
        ]
        weights = [weight for weight, _ in kinds]
        while True:
            ((_, make),) = self.random.choices(kinds, weights)
            text = make()
            if text:
                return text

    def alone(self) -> str | None:
        """A statement that cannot run in a transaction."""
        return self.random.choice((self._concurrent_index, self._concurrent_other, self._maintenance))()

    def _table(self, condition: Callable[[Table], object] = lambda _: True) -> Table | None:
        return some(self.random, (table for table in self.tables if condition(table)))

    def _free(self, table: Table, *, key: bool = False) -> Column | None:
        """A column that is the table's own to change."""
        fixed = in_partition_key(self.catalog, table)
        return some(
            self.random,
            (c for c in table.columns if (c.local and not table.parents) and (key or c.name not in fixed)),
        ) or some(self.random, table.columns)

    def _alter(self) -> str | None:
        table = self._table(lambda t: not t.partition_of or self.random.random() < 0.2)
        if table is None:
            return None
        writer = ActionWriter(self.random, self.catalog, self.version)
        count = self.random.choice((1, 1, 1, 1, 2, 3))
        actions = [action for _ in range(count) if (action := writer.action(table, self._free(table)))]
        if not actions:
            return None
        if any(action.startswith("RENAME") for action in actions):
            actions = actions[:1]
        only = maybe(self.random, "ONLY ", 0.1)
        exists = maybe(self.random, "IF EXISTS ", 0.05)
        return f"ALTER TABLE {exists}{only}{sql(table.name)} {', '.join(actions)}"

    def _constraint(self) -> str | None:
        table = self._table()
        if table is None:
            return None
        only = maybe(self.random, "ONLY ", 0.1)
        name, known = sql(table.name), some(self.random, (*table.constraints, *table.not_nulls))
        choices: list[str] = []
        if known is not None:
            mine = not known.inherited or self.random.random() < 0.1
            cascade = maybe(self.random, " CASCADE", 0.7 if known.index else 0.3)
            if mine:
                choices += [f"DROP CONSTRAINT {known.name}{cascade}"] * 3
                choices.append(f"DROP CONSTRAINT IF EXISTS {known.name}")
                choices.append(f"RENAME CONSTRAINT {known.name} TO q")
            choices.append(f"VALIDATE CONSTRAINT {known.name}")
            if not known.validated:
                choices += [f"VALIDATE CONSTRAINT {known.name}"] * 3
            if known.kind is ConstraintKind.FOREIGN_KEY:
                choices.append(f"ALTER CONSTRAINT {known.name} DEFERRABLE INITIALLY DEFERRED")
                if self.version >= 180000:
                    choices += [f"ALTER CONSTRAINT {known.name} {n}ENFORCED" for n in ("", "NOT ")]
        choices.append("DROP CONSTRAINT IF EXISTS nothing")
        return f"ALTER TABLE {only}{name} {self.random.choice(choices)}"

    def _index(self) -> str | None:
        table = self._table()
        if table is None or not sortable(table):
            return None
        column = self.random.choice(sortable(table)).name
        index = some(self.random, (i for i in table.indexes if i.parent is None))
        name, only = sql(table.name), maybe(self.random, "ONLY ", 0.15)
        choices = [
            f"CREATE INDEX q ON {only}{name} ({column})",
            f"CREATE INDEX q ON {only}{name} ({column} DESC, (k + 1))",
            f"CREATE INDEX IF NOT EXISTS q ON {name} ({column}) WHERE k > 0",
            f"CREATE INDEX ON {name} (k) INCLUDE ({column})",
            f"CREATE UNIQUE INDEX q ON {name} ({column}, k)",
        ]
        if index is not None:
            owner, known = table.name.schema, sql(Name(index.name, table.name.schema))
            free = not any(c.index == index.name for c in table.constraints)
            choices += [f"DROP INDEX {known}{maybe(self.random, ' CASCADE', 0.2)}"] * (3 if free else 1)
            choices += [f"ALTER INDEX {known} RENAME TO q2"] * (owner != "pg_temp")
            if not table.partitioned:
                choices += [
                    f"REINDEX INDEX {known}",
                    f"REINDEX TABLE {name}",
                    f"CLUSTER {name} USING {known}",
                ]
                choices += [f"ALTER TABLE {name} CLUSTER ON {known}"]
                choices += [f"ALTER INDEX {known} SET (fillfactor = 80)"]
                if index.unique and free and index.keys and "" not in index.keys and not index.where:
                    choices += [f"ALTER TABLE {name} ADD CONSTRAINT q3 UNIQUE USING INDEX {index.name}"] * 2
                    choices += [f"ALTER TABLE {name} ADD PRIMARY KEY USING INDEX {index.name}"] * 2
        return self.random.choice(choices)

    def _partition(self) -> str | None:
        parent = self._table(lambda t: t.partitioned)
        if parent is None:
            return None
        name, number = sql(parent.name), self.random.randint(6, 90)
        bound = self._bound(parent, number)
        children = list(self.catalog.children(parent.name))
        default = any(child.default_partition for child in children)
        choices = [f"CREATE TABLE q PARTITION OF {name} {bound}"] * 2
        if not default and not (parent.partition_key or "").lower().startswith("hash"):
            choices.append(f"CREATE TABLE q PARTITION OF {name} DEFAULT")
        if children:
            child = sql(self.random.choice(children).name)
            choices += [
                f"ALTER TABLE {name} DETACH PARTITION {child}",
                f"DROP TABLE {child}",
                f"TRUNCATE {child}",
            ]
        loose = some(self.random, (t for t in self.tables if _could_be_part(t, parent)))
        if loose is not None:
            choices += [f"ALTER TABLE {name} ATTACH PARTITION {sql(loose.name)} {bound}"] * 4
            if not default:
                choices += [f"ALTER TABLE {name} ATTACH PARTITION {sql(loose.name)} DEFAULT"]
        return self.random.choice(choices)

    def _bound(self, parent: Table, number: int) -> str:
        key = (parent.partition_key or "").lower()
        if key.startswith("list"):
            return f"FOR VALUES IN ({number * 10 + 5})"
        if key.startswith("hash"):
            return f"FOR VALUES WITH (MODULUS 8, REMAINDER {self.random.randint(3, 7)})"
        if parent.partition_of is not None:
            return f"FOR VALUES FROM ({5 + number % 3}) TO (9)"
        return f"FOR VALUES FROM ({number * 10}) TO ({number * 10 + 10})"

    def _inherit(self) -> str | None:
        child = self._table(lambda t: t.inherits)
        if child is not None and self.random.random() < 0.5:
            parent = sql(self.random.choice(child.inherits))
            return f"ALTER TABLE {sql(child.name)} NO INHERIT {parent}"
        parent_table = self._table(lambda t: not t.partitioned and not t.partition_of)
        if parent_table is None:
            return None
        other = some(self.random, (t for t in self.tables if _could_inherit(t, parent_table)))
        if other is not None and self.random.random() < 0.7:
            return f"ALTER TABLE {sql(other.name)} INHERIT {sql(parent_table.name)}"
        return f"CREATE TABLE q (more int) INHERITS ({sql(parent_table.name)})"

    def _view(self) -> str | None:
        view = some(self.random, self.views)
        table = self._table()
        if view is None or table is None:
            return None
        name, column = sql(view.name), self.random.choice(table.columns).name
        cascade = maybe(self.random, " CASCADE", 0.5)
        kind = "MATERIALIZED VIEW" if view.materialized else "VIEW"
        choices = [f"DROP {kind} {name}{cascade}"] * 2 + [f"ALTER {kind} {name} RENAME TO q"]
        choices.append(f"CREATE VIEW q AS SELECT {column} FROM {sql(table.name)}")
        if view.materialized:
            choices += [f"REFRESH MATERIALIZED VIEW {name}"] * 2
            choices += [f"CREATE INDEX q ON {name} ({each})" for each in view.columns[:1]]
        elif view.columns:
            select = self._same_columns(view)
            choices += [select] * 2 if select else []
            choices += [f"ALTER VIEW {name} ALTER COLUMN {view.columns[0]} SET DEFAULT NULL"]
        return self.random.choice(choices)

    def _same_columns(self, view: View) -> str | None:
        read = self.catalog.table(view.reads[0]) if len(view.reads) == 1 else None
        if read is None or any(read.column(each) is None for each in view.columns):
            return None
        columns = ", ".join(view.columns)
        return (
            f"CREATE OR REPLACE VIEW {sql(view.name)} AS SELECT {columns} FROM {sql(read.name)} WHERE k > 1"
        )

    def _create(self) -> str | None:
        table = self._table()
        other = self._table(keys)
        if table is None:
            return None
        name = sql(table.name)
        choices = [
            f"CREATE TABLE q (LIKE {name} INCLUDING ALL)",
            f"CREATE TABLE IF NOT EXISTS {name} (id int)",
            f"CREATE TABLE q AS SELECT * FROM {name}",
            "CREATE TABLE q (id int, k int) PARTITION BY LIST (k)",
            f"CREATE TRIGGER q AFTER INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION touch()",
            f"CREATE TRIGGER q BEFORE DELETE ON {name} FOR EACH STATEMENT EXECUTE FUNCTION touch()",
            f"CREATE OR REPLACE TRIGGER q AFTER UPDATE ON {name} EXECUTE FUNCTION touch()",
            f"CREATE TEMP TABLE q (LIKE {name})",
        ]
        if other is not None:
            key = self.random.choice(keys(other))
            columns = [other.column(each) for each in key.columns]
            typed = ", ".join(f"{c.name} {c.type}" for c in columns if c is not None)
            names = ", ".join(key.columns)
            choices += [
                f"CREATE TABLE q ({typed}, FOREIGN KEY ({names}) REFERENCES {sql(other.name)} ({names}))"
            ] * 3
        return self.random.choice(choices)

    def _drop(self) -> str | None:
        table, other = self._table(), self._table()
        if table is None or other is None:
            return None
        cascade = maybe(self.random, " CASCADE", 0.75)
        choices = [f"DROP TABLE {sql(table.name)}{cascade}"] * 2
        choices.append(f"DROP TABLE IF EXISTS {sql(table.name)}, {sql(other.name)}{cascade}")
        choices.append("DROP TABLE IF EXISTS nothing")
        if table.triggers:
            choices += [f"DROP TRIGGER {self.random.choice(table.triggers).name} ON {sql(table.name)}"] * 3
        choices += [f"DROP POLICY {policy} ON {sql(table.name)}" for policy in table.policies]
        choices += [f"DROP RULE {rule} ON {sql(table.name)}" for rule in table.rules]
        objects = (
            "SCHEMA other",
            "TYPE mood",
            "DOMAIN plain",
            "DOMAIN checked",
            "FUNCTION touch()",
            "TYPE pair",
        )
        kept = "" if self.random.random() < 0.1 else " CASCADE"
        choices += [f"DROP {self.random.choice((*objects, 'SEQUENCE counter'))}{kept}"]
        return self.random.choice(choices)

    def _whole(self) -> str | None:
        table, other = self._table(), self._table()
        if table is None or other is None:
            return None
        name, cascade = sql(table.name), maybe(self.random, " CASCADE", 0.6)
        return self.random.choice(
            (
                f"TRUNCATE {name}{cascade}",
                f"TRUNCATE {name}, {sql(other.name)}{cascade}",
                f"TRUNCATE ONLY {name}{cascade}",
                f"ANALYZE {name}, {sql(other.name)}",
                f"LOCK TABLE {name} IN {self.random.choice(('SHARE', 'EXCLUSIVE', 'ROW EXCLUSIVE'))} MODE",
                f"LOCK TABLE ONLY {name}",
                f"UPDATE {name} SET id = id",
                f"DELETE FROM {name}",
                f"INSERT INTO {name} (id, k) VALUES (3, 3)",
                f"SELECT * FROM {name} FOR UPDATE",
                f"ALTER TABLE {name} RENAME TO q",
                f"ALTER TABLE {name} SET SCHEMA {'public' if table.name.schema == 'other' else 'other'}",
            )
        )

    def _on_table(self) -> str | None:
        table = self._table()
        if table is None:
            return None
        name, column = sql(table.name), self.random.choice(table.columns).name
        return self.random.choice(
            (
                f"COMMENT ON TABLE {name} IS 'x'",
                f"COMMENT ON COLUMN {name}.{column} IS 'x'",
                f"CREATE POLICY q ON {name} USING (k > 0)",
                f"CREATE RULE q AS ON INSERT TO {name} DO ALSO NOTIFY x",
                f"CREATE STATISTICS q ON id, k FROM {name}",
                f"GRANT SELECT ON {name} TO CURRENT_USER",
            )
        )

    def _type(self) -> str | None:
        return self.random.choice(
            (
                "ALTER DOMAIN checked ADD CONSTRAINT q CHECK (value < 99)",
                "ALTER DOMAIN checked ADD CONSTRAINT q CHECK (value < 99) NOT VALID",
                "ALTER DOMAIN label SET NOT NULL",
                "ALTER DOMAIN plain ADD CONSTRAINT q CHECK (value <> 'q')",
                "ALTER DOMAIN tight SET DEFAULT 4",
                "ALTER DOMAIN tight DROP NOT NULL",
                "ALTER TYPE mood ADD VALUE 'q'",
                "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
                "ALTER TYPE pair ADD ATTRIBUTE z int CASCADE",
                "ALTER TYPE pair RENAME ATTRIBUTE x TO w CASCADE",
                "CREATE TYPE q AS ENUM ('a')",
                "CREATE DOMAIN q AS checked CHECK (value < 5)",
                "ALTER SEQUENCE counter AS int",
                "ALTER FUNCTION touch() COST 5",
            )
        )

    def _concurrent_index(self) -> str | None:
        table = self._table(lambda t: not t.partitioned and t.name.schema != "pg_temp")
        if table is None or not sortable(table):
            return None
        column = self.random.choice(sortable(table)).name
        name, index = sql(table.name), some(self.random, table.indexes)
        choices = [
            f"CREATE INDEX CONCURRENTLY q ON {name} ({column})",
            f"CREATE UNIQUE INDEX CONCURRENTLY q ON {name} ({column}, k) WHERE k > 0",
            f"REINDEX TABLE CONCURRENTLY {name}",
        ]
        if index is not None:
            known = sql(Name(index.name, table.name.schema))
            choices += [f"DROP INDEX CONCURRENTLY {known}", f"REINDEX INDEX CONCURRENTLY {known}"]
        return self.random.choice(choices)

    def _concurrent_other(self) -> str | None:
        parent = self._table(lambda t: t.partitioned and t.name.schema != "pg_temp")
        if parent is None:
            return None
        children = list(self.catalog.children(parent.name))
        index = some(self.random, parent.indexes)
        choices = [f"REINDEX TABLE {sql(parent.name)}"]
        if children and not any(child.default_partition for child in children):
            child = self.random.choice(children)
            choices += [f"ALTER TABLE {sql(parent.name)} DETACH PARTITION {sql(child.name)} CONCURRENTLY"] * 3
        if index is not None:
            choices.append(f"REINDEX INDEX CONCURRENTLY {sql(Name(index.name, parent.name.schema))}")
            if self.version >= 150000:
                choices.append(f"CLUSTER {sql(parent.name)} USING {index.name}")
        return self.random.choice(choices)

    def _maintenance(self) -> str | None:
        table = self._table(lambda t: t.name.schema != "pg_temp")
        if table is None:
            return None
        return f"VACUUM {self.random.choice(('', 'FULL ', '(ANALYZE) '))}{sql(table.name)}"


def _could_be_part(table: Table, parent: Table) -> bool:
    if table.parents or table.partitioned or table.name == parent.name or table.name.schema == "pg_temp":
        return False
    return [(c.name, c.type) for c in table.columns] == [(c.name, c.type) for c in parent.columns]


def _could_inherit(table: Table, parent: Table) -> bool:
    if table.partitioned or table.partition_of or table.name == parent.name or parent.name in table.parents:
        return False
    mine = {c.name: c.type for c in table.columns}
    return all(mine.get(c.name) == c.type for c in parent.columns)
