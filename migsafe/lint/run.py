"""The linter from paths to a report: the one call behind `migsafe lint`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from migsafe.catalog.history import load_schema
from migsafe.catalog.model import Catalog
from migsafe.config.model import Config
from migsafe.errors import SqlError
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import LintReport
from migsafe.lint.parallel import processes_for
from migsafe.lint.rules import shipped_rules
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.settings import Direction
from migsafe.sources.sql_folder import read_file


@dataclass(frozen=True, slots=True, kw_only=True)
class LintRequest:
    """What to judge: `paths`, or without any all configured sources.

    With `diff`, a git ref, only what changed since then is judged, as one release. `schema` is a file that
    says what the schema is before the first script; "": as configured, if at all. `catalog` is that schema
    itself, read from a server: the history has run there already, so it is no context then.
    """

    paths: tuple[str, ...] = ()
    config: Config = field(default_factory=Config)
    schema: str = ""
    catalog: Catalog | None = None
    diff: str = ""
    direction: Direction = Direction.UP
    stdin_filename: str = ""

    @property
    def options(self) -> LintOptions:
        """What is known beside the scripts.

        Raises:
            UsageError: The schema file cannot be read.
            SqlError: A statement of it was not understood.
        """
        catalog = self.catalog
        if catalog is None:
            schema = self.schema or self.config.resolve(self.config.schema)
            catalog = read_schema(schema) if schema else Catalog()
        return LintOptions(catalog=catalog, config=self.config, one_release=bool(self.diff))

    def sources(self, stdin: BinaryIO) -> tuple[Source, ...]:
        """The scripts in the order in which they run, history included.

        Raises:
            UsageError: A path cannot be read, or a tool cannot be asked.
        """
        request = Request(
            paths=self.paths,
            sources=self.config.sources,
            diff=self.diff,
            direction=self.direction,
            stdin_filename=self.stdin_filename,
            is_excluded=self.config.excludes,
            root=Path(self.config.root),
        )
        found = gather(request, stdin=stdin)
        return found if self.catalog is None else tuple(source for source in found if source.judged)


def lint_paths(request: LintRequest, *, stdin: BinaryIO) -> LintReport:
    """Judges scripts with all shipped rules, as the configuration says.

    Raises:
        UsageError: A path cannot be read, or the configuration names what does not exist.
        SqlError: A statement of the schema file was not understood.
    """
    options = request.options
    sources = request.sources(stdin)
    judged = sum(source.judged for source in sources)
    return Linter(shipped_rules()).lint(sources, options, processes=processes_for(judged))


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
