"""The linter from paths to a report: the one call behind `migsafe lint`."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from migsafe.catalog.history import load_schema
from migsafe.catalog.model import Catalog
from migsafe.errors import SqlError
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import LintReport
from migsafe.lint.rules import shipped_rules
from migsafe.sources.gather import Request, gather
from migsafe.sources.sql_folder import read_file


def lint_paths(
    paths: Sequence[str],
    *,
    stdin: BinaryIO,
    schema: str = "",
    server_version: int | None = None,
    wrapped: bool | None = None,
) -> LintReport:
    """Judges the scripts behind these paths with all shipped rules.

    `server_version` is a major version, such as 14.
    `schema` is a file that says what the schema is before the first script ("" when not known).
    `wrapped` is whether a tool opens a transaction around each script, None when not known.

    Raises:
        UsageError: A path cannot be read.
        SqlError: A statement of the schema file was not understood.
    """
    catalog = read_schema(schema) if schema else Catalog()
    version = server_version * 10_000 if server_version else None
    options = LintOptions(catalog=catalog, server_version=version, wrapped=wrapped)
    return Linter(shipped_rules()).lint(gather(Request(paths=tuple(paths)), stdin=stdin), options)


def read_schema(path: str) -> Catalog:
    """The whole schema as a file says it: what it does not name does not exist.

    Raises:
        UsageError: The file cannot be read.
        SqlError: It is not SQL text, a statement of it was not understood, or it creates no table.
    """
    source = read_file(Path(path))
    if source.problem:
        raise SqlError(
            f"{path}: {source.problem}", advice="Make the file with: pg_dump --schema-only DATABASE"
        )
    return load_schema(source.text, source=path)
