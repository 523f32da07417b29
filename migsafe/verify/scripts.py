"""From paths to verdicts: the one call behind `migsafe verify`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psycopg

from migsafe.catalog.live import read_catalog
from migsafe.effects.script import ScriptEffects, script_effects
from migsafe.errors import ConnectionFailed, SqlError, UsageError
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.places import Places
from migsafe.lint.request import LintRequest
from migsafe.lint.rules import shipped_rules
from migsafe.postgres.server import NoServerError, ServerError, scratch_server
from migsafe.run.connect import connect as connect_to
from migsafe.sources.model import Origin, Source
from migsafe.sources.sql_folder import read_file
from migsafe.sql.position import Lines
from migsafe.sql.script import StatementKind, read_script
from migsafe.verify.observe import Connection
from migsafe.verify.run import Verdict, execute, run_script

Connect = Callable[[], Connection]
SCRATCH_DATABASE = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFile:
    """One script and its verdicts.

    `not_run` counts the statements behind one that was refused, and the parts that could not be made into
    SQL. `origins` say where the text comes from when it is not the file's own.
    """

    path: str
    text: str
    verdicts: tuple[Verdict, ...] = ()
    not_run: int = 0
    problem: str = ""
    origins: tuple[Origin, ...] = ()

    @property
    def places(self) -> Places:
        """Where things stand in it."""
        return Places(Source(path=self.path, text=self.text, origins=self.origins))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All scripts that were run, and the server's version as it says it."""

    files: tuple[VerifiedFile, ...]
    server: str

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All statements that ran."""
        return tuple(verdict for file in self.files for verdict in file.verdicts)

    @property
    def differing(self) -> int:
        """How many statements did something else than predicted."""
        return sum(bool(verdict.differences) for verdict in self.verdicts)

    @property
    def not_judged(self) -> int:
        """How many statements did not run, and whole files that are no SQL text."""
        return sum(file.not_run + bool(file.problem) for file in self.files)


def verify_paths(request: LintRequest, *, stdin: BinaryIO, database: str = "") -> Verification:
    """Runs the scripts on a scratch server, or on `database`, which they change.

    On a scratch server the schema file and the history run first, unjudged; a database has them. Which
    version the scripts run on is not asked for: the server decides.

    Raises:
        UsageError: A path cannot be read, or there is no server to make a scratch server from.
        SqlError: A statement of the schema file was refused.
        ConnectionFailed: The database cannot be reached, or the connection was lost.
    """
    sources = request.sources(stdin)
    if database:
        sources = tuple(source for source in sources if source.judged)
    options = LintOptions(config=request.config)
    try:
        with _database(database) as connect:
            if request.schema_file and not database:
                _load(request.schema_file, connect)
            # On a copy of production the planner decides as it does there; a scratch database has no rows.
            return verify(sources, connect, options, index_reads_only=not database)
    except (NoServerError, ServerError) as error:
        raise UsageError(str(error)) from error
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise ConnectionFailed(f"the connection to the database was lost: {reason}") from error


def verify(
    sources: Sequence[Source], connect: Connect, options: LintOptions, *, index_reads_only: bool
) -> Verification:
    """Runs every script in a session of its own, and judges its statements; stops at one that is refused.

    What is only context runs too, and is in the report only when it is refused.
    """
    linter = Linter(shipped_rules())
    files: list[VerifiedFile] = []
    with connect() as first:
        catalog = read_catalog(first)
        server = first.info.parameter_status("server_version") or str(first.info.server_version)
    stopped = False
    for source in sources:
        script = read_script(source.text)
        if source.problem or stopped:
            files.append(
                VerifiedFile(
                    path=source.path,
                    text=source.text,
                    problem=source.problem,
                    not_run=0 if source.problem else len(script.statements),
                    origins=source.origins,
                )
            )
            continue
        settings = dict(source.settings)
        wrapped = linter.context(source, options).wrapped
        predicted = script_effects(script, catalog, settings=settings, wrapped=wrapped, source=source.path)
        catalog = predicted.catalog
        with connect() as connection:
            for name, value in settings.items():
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            verdicts = _run(
                connection, connect, predicted, wrapped=wrapped, index_reads_only=index_reads_only
            )
        stopped = bool(verdicts and verdicts[-1].observed.error)
        if source.judged or stopped:
            files.append(
                VerifiedFile(
                    path=source.path,
                    text=source.text,
                    verdicts=verdicts,
                    not_run=len(script.statements) - len(verdicts) + len(source.problems),
                    origins=source.origins,
                )
            )
    return Verification(files=tuple(files), server=server)


def _run(
    connection: Connection,
    connect: Connect,
    predicted: ScriptEffects,
    *,
    wrapped: bool,
    index_reads_only: bool,
) -> tuple[Verdict, ...]:
    if wrapped:
        connection.execute("BEGIN")
    verdicts = tuple(run_script(connection, connect, predicted, index_reads_only=index_reads_only))
    connection.commit()
    return verdicts


@contextmanager
def _database(url: str) -> Iterator[Connect]:
    if url:
        yield lambda: connect_to(url)
        return
    settings = {"fsync": "off", "autovacuum": "off", "max_connections": "300"}
    with scratch_server(settings=settings) as server:
        with connect_to(server.dsn()) as admin:
            admin.execute(f"CREATE DATABASE {SCRATCH_DATABASE}")
        yield lambda: connect_to(server.dsn(SCRATCH_DATABASE))


def _load(path: str, connect: Connect) -> None:
    source = read_file(Path(path))
    if source.problem:
        raise SqlError(f"{path}: {source.problem}")
    script = read_script(source.text)
    with connect() as connection:
        for statement in script.statements:
            if statement.source.kind is StatementKind.META:
                continue
            try:
                execute(connection, statement, source.text)
            except psycopg.Error as error:
                if error.sqlstate is None:
                    raise
                line = Lines(source.text).position(statement.start).line
                raise SqlError(
                    f"{path}, line {line}: the server refused it: {error.diag.message_primary}",
                    advice="The schema is run on an empty database before the scripts.",
                ) from error
