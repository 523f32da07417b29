"""The linter from paths to a report: the one call behind `migsafe lint`."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from migsafe.catalog.model import Catalog
from migsafe.errors import SqlError
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.knowledge import catalog_of
from migsafe.lint.model import LintReport
from migsafe.lint.rules import shipped_rules
from migsafe.sources.sql_folder import read_file, read_sources
from migsafe.sql.position import Lines
from migsafe.sql.script import Script, read_script


def lint_paths(
    paths: Sequence[str],
    *,
    stdin: BinaryIO,
    schema: str = "",
    server_version: int = 14,
    wrapped: bool | None = None,
) -> LintReport:
    """Judges the scripts behind these paths with all shipped rules.

    `schema` is a file that says what the schema is before the first script ("" when not known).
    `wrapped` is whether a tool opens a transaction around each script, None when not known.

    Raises:
        UsageError: A path cannot be read.
        SqlError: A statement of the schema file was not understood.
    """
    catalog = read_schema(schema) if schema else Catalog()
    options = LintOptions(catalog=catalog, server_version=server_version, wrapped=wrapped)
    return Linter(shipped_rules()).lint(read_sources(paths, stdin=stdin), options)


def read_schema(path: str) -> Catalog:
    """The whole schema as a file says it: what it does not name does not exist.

    Raises:
        UsageError: The file cannot be read.
        SqlError: It is not SQL text, or a statement of it was not understood.
    """
    source = read_file(Path(path))
    script = read_script(source.text)
    if problem := source.problem or _unread(script):
        raise SqlError(f"{path}: {problem}", advice="The schema must be known in full; correct the file.")
    return catalog_of(script, name=path)


def _unread(script: Script) -> str:
    for statement in script.statements:
        if statement.unread:
            line = Lines(script.text).position(statement.start).line
            return f"line {line} could not be read: {statement.unread.reason}"
    return ""
