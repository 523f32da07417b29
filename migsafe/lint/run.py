"""The linter from paths to a report: the one call behind `migsafe lint`."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from migsafe.catalog.history import load_schema
from migsafe.catalog.model import Catalog
from migsafe.config.model import Config
from migsafe.errors import SqlError
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import LintReport
from migsafe.lint.rules import shipped_rules
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.sql_folder import read_file


def lint_paths(
    paths: Sequence[str],
    *,
    stdin: BinaryIO,
    schema: str = "",
    config: Config | None = None,
) -> LintReport:
    """Judges the scripts behind these paths with all shipped rules, as the configuration says.

    `schema` is a file that says what the schema is before the first script; "": as configured, if at all.

    Raises:
        UsageError: A path cannot be read.
        SqlError: A statement of the schema file was not understood.
    """
    config = config or Config()
    sources = configured_sources(paths, stdin=stdin, config=config)
    return Linter(shipped_rules()).lint(sources, configured_options(config, schema=schema))


def configured_sources(paths: Sequence[str], *, stdin: BinaryIO, config: Config) -> tuple[Source, ...]:
    """The scripts behind these paths, with the configured history as their context.

    Raises:
        UsageError: A path cannot be read.
    """
    request = Request(
        paths=tuple(paths),
        sources=config.sources,
        is_excluded=config.excludes,
        root=Path(config.root),
    )
    return gather(request, stdin=stdin)


def configured_options(config: Config, *, schema: str = "") -> LintOptions:
    """What is known beside the scripts, as the configuration says.

    Raises:
        UsageError: The schema file cannot be read.
        SqlError: A statement of it was not understood.
    """
    schema = schema or config.resolve(config.schema)
    return LintOptions(catalog=read_schema(schema) if schema else Catalog(), config=config)


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
