"""Asks a control database which databases there are."""

from collections.abc import Mapping

import psycopg

from migsafe.fleet.address import Place
from migsafe.run.connect import connect
from migsafe.suggest import did_you_mean

Row = Mapping[str, str]

COLUMNS = ("name", "dsn", "url", "url_env", "direct_url", "direct_url_env", "host", "port", "dbname", "user")
SECONDS = 30


def ask(url: str, query: str, place: Place) -> tuple[Row, ...]:
    """The rows, with values as text and NULLs left out; `dsn` is called `url`. Nothing can be changed by it.

    Raises:
        UsageError: The query fails, or gives other columns than those.
        ConnectionFailed: The control database cannot be reached.
    """
    with connect(url, only_reads=True) as conn, conn.transaction():
        conn.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'".encode())
        try:
            found = conn.execute(query.encode())
            names = [column.name for column in found.description or ()]
            rows = found.fetchall() if names else []
        except psycopg.Error as error:
            reason = error.diag.message_primary or " ".join(str(error).split())
            raise place.error(f"the query failed: {reason}") from None
    for name in names:
        if name not in COLUMNS:
            raise place.error(
                f"the query gives a column '{name}'{did_you_mean(name, COLUMNS)}",
                f"Known: {', '.join(COLUMNS)}.",
            )
    if "name" not in names:
        raise place.error("the query gives no column 'name'", "SELECT name, host, dbname FROM ...")
    return tuple(_row(dict(zip(names, row, strict=True)), place) for row in rows)


def _row(values: Mapping[str, object], place: Place) -> Row:
    row = {key: str(value) for key, value in values.items() if value is not None and str(value)}
    if "name" not in row:
        raise place.error("the query gives a database without a name")
    if "dsn" in row:
        row["url"] = row.pop("dsn")
    return row
