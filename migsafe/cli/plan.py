"""`migsafe plan`: from a migration to a plan file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from migsafe.cli.formats import OutputFormat, print_json
from migsafe.cli.plan_revision import Asked, find_revision_project, plan_revision
from migsafe.cli.plan_schema import catalog_of, needed_catalog
from migsafe.errors import PlanError, UsageError

if TYPE_CHECKING:
    from migsafe.plan.model import Plan, Traffic


def plan(
    context: typer.Context,
    migration: Path = typer.Argument(
        help="The SQL file with the unsafe change (- is standard input), or an Alembic revision; "
        "with --check or --explain a plan.",
    ),
    *,
    database: str | None = typer.Option(
        None,
        "--database",
        help="The live database; its schema is read, nothing is changed. [env: MIGSAFE_DATABASE_URL]",
    ),
    schema: Path | None = typer.Option(None, "--schema", help="A schema file to use instead of a database."),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="The plan file; - prints it. [default: MIGRATION.plan.toml]"
    ),
    force: bool = typer.Option(False, "--force", help="Overwrite a plan file that is there already."),
    traffic: Path | None = typer.Option(None, "--traffic", help="A TOML file that says how traffic moves."),
    soak: str = typer.Option("0s", "--soak", help="How long green runs alone before blue is fenced off."),
    keep: str = typer.Option("7d", "--keep", help="How long the tombstone is kept before the drop."),
    blue_application_name: str | None = typer.Option(
        None, "--blue-application-name", help="The application_name of the old version's sessions."
    ),
    name: str | None = typer.Option(None, "--name", help="The rollout's name. [default: from the change]"),
    new_column: str | None = typer.Option(
        None, "--new-column", help="For a type change: a new name for the new column, instead of a swap."
    ),
    on_misfit: str | None = typer.Option(
        None,
        "--on-misfit",
        help="What becomes of a value that the old type cannot hold: null, nearest or fail.",
    ),
    check: bool = typer.Option(
        False, "--check", help="Judge a plan that may have been edited; nothing is written."
    ),
    explain: bool = typer.Option(False, "--explain", help="Show the stages as a table; nothing is written."),
    revisions: bool = typer.Option(
        False, "--revisions", help="Replace the Alembic revision by revisions that carry out its plan."
    ),
    output_format: OutputFormat = typer.Option(OutputFormat.TEXT, "--format", help="text or json."),
) -> None:
    """Turn an unsafe change into a rollout that keeps the application running.

    Exit codes: 0 done, 1 --check found something to put right, 2 there is no plan.
    """
    from migsafe.plan.model import Contract
    from migsafe.plan.options import PlanOptions
    from migsafe.plan.planner import plan_migration
    from migsafe.plan.sync.pair import OnMisfit
    from migsafe.plan.toml.durations import parse_duration
    from migsafe.plan.toml.file import dump_plan, fingerprint

    if context.args:
        raise UsageError(
            f"{1 + len(context.args)} files are given, and a plan is of one migration",
            advice="Plan them one after the other, in the order in which they run, each when the rollout "
            "before it is done: its plan is made from the schema that is there then. What belongs to one "
            "release belongs in one file.",
        )
    if check and explain:
        raise UsageError("--check and --explain exclude each other")
    if check:
        from migsafe.cli.plan_check import check_plan

        raise typer.Exit(check_plan(migration, catalog_of(database, schema), output_format))
    if explain and migration.suffix == ".toml":
        from migsafe.cli.plan_explain import explain_plan
        from migsafe.plan.toml.file import load_plan

        explain_plan(load_plan(migration), catalog_of(database, schema), output_format)
        return None
    if on_misfit is not None and on_misfit not in set(OnMisfit):
        raise UsageError(f"--on-misfit {on_misfit} is unknown", advice="Use null, nearest or fail.")
    options = PlanOptions(
        name=name,
        new_column=new_column,
        on_misfit=OnMisfit(on_misfit) if on_misfit else None,
        traffic=_traffic(traffic),
        contract=Contract(
            soak_seconds=parse_duration(soak),
            keep_seconds=parse_duration(keep),
            blue_application_name=blue_application_name,
        ),
    )
    project = find_revision_project(migration, revisions=revisions)
    if project is not None:
        asked = Asked(
            database=database,
            output=output,
            force=force,
            explain=explain,
            revisions=revisions,
            output_format=output_format,
        )
        return plan_revision(project, migration, options, asked)
    text = _text(migration)
    catalog = needed_catalog(database, schema)
    made = plan_migration(text, catalog, options, file=_called(migration))
    if explain:
        from migsafe.cli.plan_explain import explain_plan

        explain_plan(made, catalog, output_format)
        return None
    written = dump_plan(made, catalog)
    target = output or (Path("-") if str(migration) == "-" else migration.with_suffix(".plan.toml"))
    if str(target) == "-":
        typer.echo(written, nl=False)
        return None
    _write(target, written, force=force)
    return _report(made, target, fingerprint(made), output_format)


def _called(migration: Path) -> str:
    return "standard input" if str(migration) == "-" else str(migration)


def _text(migration: Path) -> str:
    if str(migration) != "-" and migration.suffix == ".toml":
        raise UsageError(
            f"{migration} is no SQL file",
            advice=f"If it is a plan: migsafe plan --check {migration}, or migsafe run {migration}.",
        )
    try:
        if str(migration) == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        return migration.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"there is no file {migration}") from None
    except IsADirectoryError:
        raise UsageError(f"{migration} is a folder", advice="Give the one file with the change.") from None
    except UnicodeDecodeError:
        raise PlanError(f"{_called(migration)} is not a text file in UTF-8") from None
    except OSError as error:
        raise UsageError(f"{migration} cannot be read: {error.strerror}") from None


def _traffic(path: Path | None) -> "Traffic | None":
    if path is None:
        return None
    from migsafe.plan.toml.file import load_traffic

    return load_traffic(path)


def _write(target: Path, text: str, *, force: bool) -> None:
    if target.exists() and not force and target.read_text(encoding="utf-8", errors="replace") != text:
        raise UsageError(
            f"{target} exists and holds another plan",
            advice="Give another file with --output, or replace it with --force.",
        )
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from None


def _report(made: "Plan", target: Path, mark: str, output_format: OutputFormat) -> None:
    if output_format is OutputFormat.JSON:
        from migsafe.plan.toml.document import to_document

        print_json({"format_version": 1, "path": str(target), "fingerprint": mark, "plan": to_document(made)})
        return
    from migsafe.plan.report.describe import describe

    typer.echo(describe(made))
    typer.echo(f"\nWritten to {target}. Review it, then: migsafe run {target}")
