"""The schema that a plan is made for: of a database, or from a file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from migsafe.errors import UsageError

if TYPE_CHECKING:
    from migsafe.catalog.model import Catalog


def catalog_of(database: str | None, schema: Path | None) -> "Catalog | None":
    """The schema that a plan is for; None when nobody says where it is."""
    from migsafe.run.connect import VARIABLES

    asked = bool(schema or database or any(os.environ.get(name) for name in VARIABLES))
    return needed_catalog(database, schema) if asked else None


def needed_catalog(database: str | None, schema: Path | None) -> "Catalog":
    """The schema that a plan is for.

    Raises:
        UsageError: Nobody says where it is, or it cannot be read.
        SqlError: A statement of the schema file was not understood.
    """
    if database and schema:
        raise UsageError("--database and --schema exclude each other")
    if schema is not None:
        from migsafe.lint.run import read_schema

        return read_schema(str(schema))
    from migsafe.catalog.live import read_catalog
    from migsafe.run.connect import connect, database_url

    with connect(database_url(database)) as connection:
        return read_catalog(connection)
