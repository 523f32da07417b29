"""`migsafe plan REVISION`: from an Alembic revision to its plan, and back to revisions."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from migsafe.cli.formats import OutputFormat, print_json
from migsafe.errors import UsageError

if TYPE_CHECKING:
    from migsafe.integrations.revisions.project import Project, Revision
    from migsafe.integrations.revisions.read import Applied
    from migsafe.plan.model import Plan
    from migsafe.plan.options import PlanOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says beside the revision and the choices of the plan."""

    database: str | None
    output: Path | None
    force: bool
    explain: bool
    revisions: bool
    output_format: OutputFormat


def find_revision_project(migration: Path, *, revisions: bool) -> "Project | None":
    """The Alembic project, when a revision is meant: a file of it, or a name that is no file.

    Raises:
        UsageError: A revision must be meant, and there is no project.
    """
    is_other = str(migration) == "-" or migration.suffix in {".sql", ".toml"}
    if is_other or (migration.exists() and migration.suffix != ".py"):
        if revisions:
            raise UsageError(f"--revisions is for Alembic's revisions, and {migration} is none")
        return None
    from migsafe.config.read import load_config
    from migsafe.integrations.revisions.project import find_project

    found = find_project(load_config())
    if found is None and (revisions or migration.suffix == ".py"):
        raise UsageError(
            f"{migration} looks like a revision, and there is no Alembic project here",
            advice="Run it where alembic.ini is, or name that under [[sources]] in migsafe.toml.",
        )
    return found


def plan_revision(project: "Project", name: Path, options: "PlanOptions", asked: Asked) -> None:
    """Plan what a revision's upgrade() does; with --revisions, replace it by revisions that do it safely."""
    from migsafe.config.read import load_config
    from migsafe.integrations.revisions import read
    from migsafe.integrations.revisions.write import revision_files, write
    from migsafe.plan.toml.file import dump_plan, load_plan

    config = load_config()
    revision, all_of_them = _find(project, name)
    target = asked.output or read.plan_file(revision)
    notes: tuple[str, ...] = ()
    if asked.revisions and target.exists() and not (asked.force or asked.explain):
        plan = load_plan(target)  # it may have been edited: that is what it is for
    else:
        planned = read.plan_revision(
            project,
            revision,
            all_of_them,
            options,
            live=_live(asked.database),
            server_version=config.server_version,
        )
        plan, notes = planned.plan, planned.notes
        if asked.explain:
            from migsafe.cli.plan_explain import explain_plan

            explain_plan(plan, planned.before, asked.output_format)
            return
        if str(target) == "-":
            typer.echo(dump_plan(plan), nl=False)
            return
        _write_plan(target, dump_plan(plan), force=asked.force)
    files: list[Path] = []
    if asked.revisions:
        made = revision_files(plan, target, revision, all_of_them, config.alembic)
        write(made)
        files = [file.path for file in made]
    _report(plan, target, files, notes, asked.output_format)


def _find(project: "Project", name: Path) -> "tuple[Revision, tuple[Revision, ...]]":
    from migsafe.integrations.revisions.project import read_revisions
    from migsafe.integrations.revisions.read import find_revision
    from migsafe.sources.settings import Direction

    if not name.exists():
        return find_revision(project, str(name))
    revisions = read_revisions(project, Direction.UP, asked="")
    found = next((each for each in revisions if each.path.resolve() == name.resolve()), None)
    if found is None:
        raise UsageError(f"{name} is no revision of {project.config}")
    return found, revisions


def _live(database: str | None) -> "Applied | None":
    """The database when one is given, here or by our own variable; DATABASE_URL is for the application."""
    import os

    from migsafe.catalog.live import read_catalog
    from migsafe.integrations.revisions.read import Applied
    from migsafe.run.connect import connect

    url = database or os.environ.get("MIGSAFE_DATABASE_URL")
    if not url:
        return None
    with connect(url) as conn:
        versions: frozenset[str] = frozenset()
        row = conn.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        if row is not None and row[0]:
            rows = conn.execute("SELECT version_num FROM alembic_version").fetchall()
            versions = frozenset(str(each[0]) for each in rows)
        return Applied(catalog=read_catalog(conn), versions=versions)


def _write_plan(target: Path, text: str, *, force: bool) -> None:
    if target.exists() and not force and target.read_text(encoding="utf-8", errors="replace") != text:
        raise UsageError(
            f"{target} exists and holds another plan",
            advice="Write its revisions with --revisions, give another file with --output, or replace it "
            "with --force.",
        )
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from None


def _report(
    plan: "Plan", target: Path, files: list[Path], notes: tuple[str, ...], output_format: OutputFormat
) -> None:
    from migsafe.plan.toml.file import fingerprint

    shown = [_from_here(path) for path in (target, *files)]
    if output_format is OutputFormat.JSON:
        from migsafe.plan.toml.document import to_document

        print_json(
            {
                "format_version": 1,
                "path": shown[0],
                "fingerprint": fingerprint(plan),
                "plan": to_document(plan),
                "revisions": shown[1:],
                "notes": list(notes),
            }
        )
        return
    from migsafe.plan.report.describe import describe

    typer.echo(describe(plan))
    for note in notes:
        typer.echo(f"note: {note}")
    typer.echo(f"\nWritten to {shown[0]}.")
    if not files:
        typer.echo("Review it, then replace the revision: migsafe plan REVISION --revisions")
        return
    for path in shown[1:]:
        typer.echo(f"Written: {path}")


def _from_here(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
