"""The linter from paths to a report: the one call behind `migsafe lint`."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from migsafe.catalog.history import load_schema
from migsafe.catalog.model import Catalog
from migsafe.errors import SqlError
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import LintReport
from migsafe.lint.parallel import processes_for
from migsafe.lint.request import LintRequest
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source
from migsafe.sources.sql_folder import read_file

__all__ = ["LintRequest", "lint_paths", "lint_sources", "options_of", "read_schema"]


def lint_paths(request: LintRequest, *, stdin: BinaryIO) -> LintReport:
    """Judges scripts with all shipped rules, as the configuration says.

    Raises:
        UsageError: A path cannot be read, or the configuration names what does not exist.
        SqlError: A statement of the schema file was not understood.
    """
    return lint_sources(request, request.sources(stdin))


def lint_sources(request: LintRequest, sources: Sequence[Source]) -> LintReport:
    """The same for scripts that were gathered already.

    Raises:
        UsageError: The schema file cannot be read, or the configuration names what does not exist.
        SqlError: A statement of the schema file was not understood.
    """
    options = options_of(request)
    judged = sum(source.judged for source in sources)
    return Linter(shipped_rules()).lint(sources, options, processes=processes_for(judged))


def options_of(request: LintRequest) -> LintOptions:
    """What is known beside the scripts.

    Raises:
        UsageError: The schema file cannot be read.
        SqlError: A statement of it was not understood.
    """
    catalog = request.catalog
    if catalog is None:
        catalog = read_schema(request.schema_file) if request.schema_file else Catalog()
    return LintOptions(catalog=catalog, config=request.config, one_release=bool(request.diff))


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
