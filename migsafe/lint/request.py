"""What `migsafe lint` is asked to judge. Nothing here imports the linter: a run from the cache needs none."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from migsafe.config.model import Config
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.settings import Direction

if TYPE_CHECKING:
    from migsafe.catalog.model import Catalog


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
    catalog: "Catalog | None" = None
    diff: str = ""
    direction: Direction = Direction.UP
    stdin_filename: str = ""

    @property
    def schema_file(self) -> str:
        """The file that says what the schema is, as the command line or the configuration names it, or ""."""
        return self.schema or self.config.resolve(self.config.schema)

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
