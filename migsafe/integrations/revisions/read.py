"""From a revision to its plan: its rendered upgrade, planned on the schema before it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from migsafe.catalog.history import replay
from migsafe.catalog.model import Catalog
from migsafe.errors import PlanError, UsageError
from migsafe.integrations.revisions.downgrade import what_is_not_taken_back
from migsafe.integrations.revisions.project import (
    Project,
    Revision,
    ancestors,
    read_revisions,
    the_asked,
)
from migsafe.plan.migration import read_migration
from migsafe.plan.model import Plan
from migsafe.plan.naming import rollout_name
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.sources.model import Source
from migsafe.sources.settings import Direction
from migsafe.sql.position import Lines
from migsafe.sql.script import read_script

WRITTEN = re.compile(r"^migsafe_plan(?:\s*:\s*\w+)?\s*=\s*[\"'](?P<file>[^\"']+)[\"']", re.MULTILINE)
_LONGEST_NAME = 40  # a session's name holds 63 bytes with ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A live database: its schema, and the ids in its version table."""

    catalog: Catalog
    versions: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A revision and its plan.

    `before` is the schema that it starts from, `revisions` are all of the project, and `notes` are for the
    person who asked.
    """

    plan: Plan
    before: Catalog
    revision: Revision
    revisions: tuple[Revision, ...]
    notes: tuple[str, ...] = ()


def plan_file(revision: Revision) -> Path:
    """Where the plan of a revision is kept: beside it, or where it says."""
    written = WRITTEN.search(revision.source.shown)
    if written is not None:
        return revision.path.parent / written["file"]
    return revision.path.with_suffix(".plan.toml")


def find_revision(project: Project, name: str) -> tuple[Revision, tuple[Revision, ...]]:
    """The revision of this name, and all of the project in their order.

    Raises:
        UsageError: There is no such revision, or the project cannot be rendered.
    """
    revisions = read_revisions(project, Direction.UP, asked=name)
    return the_asked(revisions, name), revisions


def plan_revision(
    project: Project,
    revision: Revision,
    revisions: tuple[Revision, ...],
    options: PlanOptions,
    *,
    live: Applied | None,
    server_version: int | None = None,
) -> Planned:
    """The plan for what a revision's upgrade() does, on a live database or after the revisions before it.

    `server_version` is the major version to plan for without a database.

    Raises:
        PlanError: There is nothing to plan, or something that no recipe makes safe: why, and where.
        UsageError: The database has this revision already.
    """
    source = revision.source
    if WRITTEN.search(source.shown):
        raise UsageError(
            f"{source.path} is carried out by a plan already",
            advice="Edit the plan, then write its revisions again with `migsafe plan REVISION --revisions`.",
        )
    for problem in source.problems:
        raise PlanError(
            f"{problem.path}:{problem.line}: {problem.message}",
            advice="A plan needs the SQL of the whole revision. Write what asks the database as SQL, or put "
            "it in a revision of its own.",
        )
    before = _before(revision, revisions, live, server_version)
    text = source.text
    try:
        chosen = named(options, text, before, revision=revision.id, file=source.path)
        plan = plan_migration(text, before, chosen, file=source.path)
    except PlanError as error:
        raise _at_its_place(error, source) from None
    down = the_asked(read_revisions(project, Direction.DOWN, asked=revision.id), revision.id)
    notes = what_is_not_taken_back(before, source, down.source)
    return Planned(plan=plan, before=before, revision=revision, revisions=revisions, notes=notes)


def _before(
    revision: Revision, revisions: tuple[Revision, ...], live: Applied | None, major: int | None
) -> Catalog:
    """The schema right before the revision: all that must have run, on the database or from the start."""
    needed = ancestors(revisions, frozenset({*revision.down, *revision.depends_on}))
    done: frozenset[str] = frozenset()
    if live is not None:
        done = ancestors(revisions, live.versions)
        if revision.id in done:
            raise UsageError(
                f"the database has revision {revision.id} already: a plan starts from the schema before it",
                advice="Give a database that does not have it yet, or none (then the revisions before it are "
                "replayed).",
            )
    scripts = [each.source for each in revisions if each.id in needed and each.id not in done]
    certain = not any(source.problems or source.problem for source in scripts)
    version = None if major is None else major * 10_000
    start = live.catalog if live is not None else Catalog(complete=certain, server_version=version)
    return replay([(source.path, read_script(source.text)) for source in scripts], start)


def named(options: PlanOptions, text: str, catalog: Catalog, *, revision: str, file: str) -> PlanOptions:
    """With a name of its own for ever: two revisions may do the same thing once more."""
    if options.name:
        return options
    operations = [each.operation for each in read_migration(text, file=file)]
    what = rollout_name(operations, catalog) if operations else "nothing"
    return replace(options, name=f"{what[:_LONGEST_NAME].rstrip('_')}_{revision}")


def _at_its_place(error: PlanError, source: Source) -> PlanError:
    """The error with the line of the Python file instead of that of the rendered SQL."""
    pattern = re.compile(re.escape(source.path) + r":(\d+)")
    return PlanError(pattern.sub(_place_in(source), error.message), advice=error.advice)


def _place_in(source: Source) -> Callable[[re.Match[str]], str]:
    lines = Lines(source.text)

    def place(found: re.Match[str]) -> str:
        wanted = int(found[1])
        for origin in source.origins:
            first = lines.position(origin.start).line
            last = lines.position(max(origin.start, origin.end - 1)).line
            if first <= wanted <= last:
                offset = wanted - first if origin.copied else 0
                return f"{origin.path}:{origin.line + offset}"
        return source.path

    return place
