"""From paths to explained scripts: the one call behind `migsafe explain`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from migsafe.effects.script import StatementEffects, script_effects
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.places import Places
from migsafe.lint.request import LintRequest
from migsafe.lint.rules import shipped_rules
from migsafe.lint.run import options_of
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


def explain_paths(request: LintRequest, *, stdin: BinaryIO) -> Explanation:
    """What every statement of the judged scripts does, behind their history; settings as `lint` takes them.

    Raises:
        UsageError: A path or the schema file cannot be read, or a tool cannot be asked.
        SqlError: A statement of the schema file was not understood.
    """
    options = options_of(request)
    return explain(request.sources(stdin), options)


def explain(sources: Sequence[Source], options: LintOptions) -> Explanation:
    """What every statement does; each script sees the schema that the ones before it leave."""
    linter = Linter(shipped_rules())
    catalog = options.catalog
    files: list[ExplainedFile] = []
    for source in sources:
        if source.problem:
            if source.judged:
                files.append(ExplainedFile(path=source.path, text=source.text, problem=source.problem))
            continue
        context = linter.context(source, options)
        found = script_effects(
            read_script(source.text),
            catalog,
            server_version=context.server_version,
            settings=dict(source.settings),
            wrapped=context.wrapped,
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
