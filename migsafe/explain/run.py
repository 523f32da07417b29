"""From paths to explained scripts: the one call behind `migsafe explain`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from migsafe.catalog.model import Catalog
from migsafe.effects.script import StatementEffects, script_effects
from migsafe.lint.places import Places
from migsafe.lint.run import read_schema
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Origin, Source, SourceProblem
from migsafe.sql.script import read_script


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedFile:
    """One script and what its statements do; `problem` says why it is no SQL text.

    `origins` say where the text comes from when it is not the file's own; `problems` are not in it.
    """

    path: str
    text: str
    statements: tuple[StatementEffects, ...] = ()
    problem: str = ""
    origins: tuple[Origin, ...] = ()
    problems: tuple[SourceProblem, ...] = ()

    @property
    def places(self) -> Places:
        """Where things stand in it."""
        return Places(Source(path=self.path, text=self.text, origins=self.origins))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All scripts, in the order in which they run."""

    files: tuple[ExplainedFile, ...]

    @property
    def unread(self) -> int:
        """How many statements, or whole files, were not understood."""
        return sum(
            bool(file.problem)
            + len(file.problems)
            + sum(each.statement.unread is not None for each in file.statements)
            for file in self.files
        )


def explain_paths(
    paths: Sequence[str],
    *,
    stdin: BinaryIO,
    schema: str = "",
    database: str = "",
    server_version: int | None = None,
    wrapped: bool | None = None,
) -> Explanation:
    """What every statement of the scripts behind these paths does.

    The schema before the first script is read from the file `schema`, or from the live `database` (a URL;
    nothing is changed there); `server_version` is a major version. `wrapped` is whether a tool opens a
    transaction around each script, None when each source says.

    Raises:
        UsageError: A path cannot be read.
        SqlError: A statement of the schema file was not understood.
        ConnectionFailed: The database cannot be reached.
    """
    sources = gather(Request(paths=tuple(paths)), stdin=stdin)
    catalog = start_catalog(schema, database)
    version = server_version * 10_000 if server_version else None
    return explain(sources, catalog, server_version=version, wrapped=wrapped)


def explain(
    sources: Sequence[Source], catalog: Catalog, *, server_version: int | None, wrapped: bool | None
) -> Explanation:
    """What every statement does; each script sees the schema that the ones before it leave."""
    files: list[ExplainedFile] = []
    for source in sources:
        if source.problem:
            if source.judged:
                files.append(ExplainedFile(path=source.path, text=source.text, problem=source.problem))
            continue
        found = script_effects(
            read_script(source.text),
            catalog,
            server_version=server_version,
            wrapped=wrapped if wrapped is not None else bool(source.in_transaction),
            source=source.path,
        )
        catalog = found.catalog
        if source.judged:
            files.append(
                ExplainedFile(
                    path=source.path,
                    text=source.text,
                    statements=found.statements,
                    origins=source.origins,
                    problems=source.problems,
                )
            )
    return Explanation(files=tuple(files))


def start_catalog(schema: str, database: str) -> Catalog:
    """The schema before the first script: of a file, of a live server, or not known at all.

    Raises:
        SqlError: A statement of the file was not understood.
        ConnectionFailed: The database cannot be reached.
    """
    if schema:
        return read_schema(schema)
    if not database:
        return Catalog()
    # Only who asks for a database waits for the driver to be loaded.
    from migsafe.catalog.live import read_catalog  # noqa: PLC0415
    from migsafe.run.connect import connect  # noqa: PLC0415

    with connect(database) as connection:
        return read_catalog(connection)
