"""The schema as pg_dump writes it, without what may differ: order, and what belongs to the rollout."""

import re
from dataclasses import replace

from psycopg import conninfo

from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import Server

_STATEMENT_ENDS = re.compile(r";\n(?=\n|\Z)")
_TABLE = re.compile(r"^(CREATE (?:UNLOGGED |FOREIGN )?TABLE \S+ \()\n(.*)\n(\).*)$", re.DOTALL)
LEDGER = "migsafe"  # the schema that a rollout leaves behind


def schema_of(server: Server, dsn: str) -> list[str]:
    """The statements that make the schema, sorted; the columns of a table sorted by name."""
    name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
    newest = replace(server, binaries=embedded_binaries())  # the other packages bring no pg_dump
    dumped = newest.run("pg_dump", "--schema-only", f"--exclude-schema={LEDGER}", f"--dbname={name}")
    statements = [_sorted_columns(each) for each in _STATEMENT_ENDS.split(_without_comments(dumped))]
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
