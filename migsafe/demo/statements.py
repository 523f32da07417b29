"""The SQL of the demo's application: the same four statements over one column or the other."""

from dataclasses import dataclass

from psycopg import sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What one version sends. Columns are always named, so that a new one does not disturb it."""

    probe: sql.Composed
    read: sql.Composed
    insert: sql.Composed
    update: sql.Composed


def statements_of(column: str) -> Statements:
    """The statements of the version that calls the column so."""
    name = sql.Identifier(column)
    return Statements(
        probe=sql.SQL("SELECT count({name}) FROM (SELECT {name} FROM users LIMIT 1) AS one").format(
            name=name
        ),
        read=sql.SQL("SELECT {name} FROM users WHERE id = %(id)s").format(name=name),
        insert=sql.SQL(
            "INSERT INTO users ({name}, email) VALUES (%(name)s, %(name)s || '@example.com') RETURNING id"
        ).format(name=name),
        update=sql.SQL("UPDATE users SET {name} = %(name)s WHERE id = %(id)s RETURNING {name}").format(
            name=name
        ),
    )
