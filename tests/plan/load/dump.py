"""The schema as pg_dump writes it, without what may differ: order, and what belongs to the rollout."""

import re
from dataclasses import replace

from psycopg import conninfo

from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import Server

_STATEMENT_ENDS = re.compile(r";\n(?=\n|\Z)")
_TABLE = re.compile(r"^(CREATE (?:UNLOGGED |FOREIGN )?TABLE \S+ \()\n(.*)\n(\).*)$", re.DOTALL)
OURS = "migsafe"  # in the names of tombstones, triggers and functions that a rollout makes


def schema_of(server: Server, dsn: str, *, tombstones: bool = True) -> list[str]:
    """The statements that make the schema, sorted; the columns of a table sorted by name.

    Without `tombstones`, what a rollout keeps until its last step is left out.
    """
    name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
    newest = replace(server, binaries=embedded_binaries())  # the other packages bring no pg_dump
    dumped = newest.run("pg_dump", "--schema-only", f"--exclude-schema={OURS}", f"--dbname={name}")
    statements = [_sorted_columns(each) for each in _STATEMENT_ENDS.split(_without_comments(dumped))]
    if not tombstones:
        statements = ["\n".join(_without_tombstones(each)) for each in statements]
    return sorted(each for each in statements if each)


def difference(left: list[str], right: list[str]) -> str:
    """What stands in only one of them; empty when they are equal."""
    only = [f"- {each}" for each in left if each not in right]
    only += [f"+ {each}" for each in right if each not in left]
    return "\n".join(only)


def _without_comments(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith(("--", "\\"))]
    return re.sub(r"\n\n+", "\n\n", "\n".join(lines) + "\n")


def _sorted_columns(statement: str) -> str:
    statement = statement.strip()
    table = _TABLE.match(statement)
    if table is None:
        return statement
    head, body, tail = table.groups()
    columns = sorted(line.rstrip(",") for line in body.split("\n"))
    return "\n".join([head, *columns, tail])


def _without_tombstones(statement: str) -> list[str]:
    if _TABLE.match(statement):
        return [line for line in statement.split("\n") if OURS not in line]
    return [] if OURS in statement else statement.split("\n")
