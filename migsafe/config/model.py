"""What can be configured, as data; and what of it holds for one path."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from migsafe.config.patterns import matches
from migsafe.config.places import line_of, lines_of
from migsafe.config.words import FailOn, Layout, Level, ScriptPhase, Transaction
from migsafe.sources.settings import SourceSettings

if TYPE_CHECKING:
    from migsafe.config.pace import PaceSettings
    from migsafe.config.webhooks import WebhookSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLayer:
    """One `rules` table: levels by the name or id of a rule, or by group.

    `where` is what messages call it, `keys` lead to it in the file.
    """

    levels: Mapping[str, Level]
    where: str
    keys: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """One `[[paths]]` table; what it does not set is as for all paths."""

    match: tuple[str, ...]
    server_version: int | None = None
    transaction: Transaction | None = None
    phase: ScriptPhase | None = None
    small_tables: tuple[str, ...] | None = None
    rules: RuleLayer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSettings:
    """What holds for one script. A later layer of rules wins. `server_version` is a major version."""

    server_version: int | None = None
    transaction: Transaction = Transaction.AUTO
    phase: ScriptPhase | None = None
    small_tables: tuple[str, ...] = ()
    layers: tuple[RuleLayer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line says; it wins over every file."""

    server_version: int | None = None
    transaction: Transaction | None = None
    rules: RuleLayer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlembicSettings:
    """The `[alembic]` table: how revisions are written, and how careful `alembic upgrade` is.

    Times are in seconds; None leaves the server's setting alone. `autogenerate`: whether
    `alembic revision --autogenerate` plans what it finds at once. `inline_sql`: whether a revision repeats
    the SQL of its plan for whoever reads it.
    """

    layout: Layout = Layout.BRANCHES
    expand_label: str = "expand"
    contract_label: str = "contract"
    inline_sql: bool = True
    autogenerate: bool = False
    lock_timeout: float = 0.8
    statement_timeout: float | None = None
    idle_timeout: float | None = 60.0
    attempts: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration.

    `file` is what messages call the file ("" when there is none) and `text` is what is in it. `root` is
    the folder of the file: its paths and patterns start there. `current` is the folder that the paths of
    scripts start from. `table` is where the keys stand in the file: ("tool", "migsafe") or (). `repository`
    is the root of the repository: machines want paths from there.
    """

    file: str = ""
    text: str = field(default="", repr=False)
    table: tuple[str, ...] = ()
    root: str = ""
    current: str = ""
    repository: str = ""

    server_version: int | None = None
    transaction: Transaction = Transaction.AUTO
    fail_on: FailOn = FailOn.ERROR
    schema: str = ""
    baseline: str = ""
    exclude: tuple[str, ...] = ()
    small_tables: tuple[str, ...] = ()
    small_table_rows: int = 10_000
    phases: tuple[tuple[str, ScriptPhase], ...] = ()
    rules: RuleLayer | None = None
    sources: tuple[SourceSettings, ...] = ()
    paths: tuple[PathSettings, ...] = ()
    alembic: AlembicSettings = field(default_factory=AlembicSettings)
    pace: "PaceSettings | None" = None
    webhooks: "tuple[WebhookSettings, ...]" = ()
    flags: Flags = field(default_factory=Flags)

    def with_flags(self, flags: Flags) -> "Config":
        """The same under these flags of the command line."""
        return replace(self, flags=flags)

    def relative(self, path: str) -> str:
        """A script's path as patterns see it: from the folder of the file, with `/` between its parts."""
        return relative_to(self.root, self.absolute(path))

    def absolute(self, path: str) -> str:
        """A script's path, or any other that was given on the command line, from the root of the disk."""
        return os.path.normpath(os.path.join(self.current, path))  # noqa: PTH118  # lexical, no look at the disk

    def resolve(self, path: str) -> str:
        """A path that the file names (`schema`, `baseline`, a source), from the current folder."""
        if not path:
            return ""
        whole = os.path.normpath(os.path.join(self.root, path))  # noqa: PTH118  # lexical, no look at the disk
        return relative_to(self.current, whole)

    def from_repository(self, path: str) -> str:
        """A script's path from the root of the repository, as services that know the repository want it."""
        return relative_to(self.repository, self.absolute(path))

    def excludes(self, path: str) -> bool:
        """Whether a script is not judged: it is context only."""
        if not self.exclude:
            return False
        seen = self.relative(path)
        return any(matches(seen, pattern) for pattern in self.exclude)

    def for_path(self, path: str) -> ScriptSettings:
        """What holds for the script at this path."""
        seen = self.relative(path)
        settings = ScriptSettings(
            server_version=self.server_version,
            transaction=self.transaction,
            phase=next((phase for pattern, phase in reversed(self.phases) if matches(seen, pattern)), None),
            small_tables=self.small_tables,
            layers=(self.rules,) if self.rules else (),
        )
        for each in self.paths:
            if any(matches(seen, pattern) for pattern in each.match):
                settings = _overridden(settings, each)
        return ScriptSettings(
            server_version=self.flags.server_version or settings.server_version,
            transaction=self.flags.transaction or settings.transaction,
            phase=settings.phase,
            small_tables=settings.small_tables,
            layers=(*settings.layers, self.flags.rules) if self.flags.rules else settings.layers,
        )

    def says(self, *keys: str | int) -> bool:
        """Whether the file says something about this very key."""
        return (*self.table, *keys) in lines_of(self.text)

    def where(self, *keys: str | int) -> str:
        """The place of a key, for messages: `migsafe.toml:12`, or the file when the line is not known."""
        line = line_of(self.text, (*self.table, *keys))
        return f"{self.file}:{line}" if line else self.file


def relative_to(base: str, path: str) -> str:
    """An absolute path from the folder `base`, with `/` between its parts."""
    if not base:
        return path.replace(os.sep, "/")
    try:
        return os.path.relpath(path, base).replace(os.sep, "/")
    except ValueError:  # another drive (Windows)
        return path.replace(os.sep, "/")


def _overridden(settings: ScriptSettings, by: PathSettings) -> ScriptSettings:
    return ScriptSettings(
        server_version=by.server_version or settings.server_version,
        transaction=by.transaction or settings.transaction,
        phase=by.phase or settings.phase,
        small_tables=by.small_tables if by.small_tables is not None else settings.small_tables,
        layers=(*settings.layers, by.rules) if by.rules else settings.layers,
    )
