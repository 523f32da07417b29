"""The stations of the tour: the same calls that `migsafe lint`, `plan` and `run` make."""

import textwrap
from dataclasses import replace
from pathlib import Path

import psycopg

from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Catalog
from migsafe.demo.envoy import VERSION_HEADER
from migsafe.demo.story import WIDTH, Story
from migsafe.demo.texts import text_of
from migsafe.demo.watcher import COMPARISON, WHY, Watcher
from migsafe.demo.world import APPLICATIONS, World
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import LintReport, Severity
from migsafe.lint.reports import View, as_text
from migsafe.lint.reports.words import summary
from migsafe.lint.rules import shipped_rules
from migsafe.plan.model import Contract, Gate, Plan, Traffic
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import SCHEMA_STAGES, Stage, Version
from migsafe.plan.toml.file import dump_plan, load_plan
from migsafe.rollout.outcome import Outcome
from migsafe.rollout.session import check_first, controller
from migsafe.sources.model import Source

MIGRATION, PLAN = "rename.sql", "rename.plan.toml"
STEPS = (5, 25, 50, 100)
IN_STEP = "SELECT count(*) FROM users WHERE name IS DISTINCT FROM full_name"


def lint(world: World, story: Story) -> None:
    """Show what is wrong with the migration as one would write it."""
    path, text = _migration(world.directory)
    story.section(
        "The migration as one would write it",
        "Instant, and fatal: from that moment on blue asks for a column that is not there any more. "
        "Deploy green first, and green is the one that fails.",
    )
    story.command(f"migsafe lint {path.name}")
    catalog = _catalog(world)
    options = LintOptions(catalog=catalog, server_version=(catalog.server_version or 0) // 10_000)
    report = Linter(shipped_rules()).lint([Source(path=path.name, text=text)], options)
    for line in _in_short(report, color=story.color).splitlines():
        story.note(line)
    story.note("So this migration does not run: in a commit hook or in CI it stops here (exit code 1).")


def make_plan(step_seconds: float, soak_seconds: float, world: World, story: Story) -> Plan:
    """Plan the same change in safe steps; writes the plan file and gives what is read back from it."""
    _, text = _migration(world.directory)
    options = PlanOptions(
        traffic=_traffic(step_seconds, world),
        contract=Contract(
            soak_seconds=soak_seconds, keep_seconds=soak_seconds, blue_application_name=APPLICATIONS[0]
        ),
    )
    path = world.directory / PLAN
    path.write_text(dump_plan(plan_migration(text, _catalog(world), options)), encoding="utf-8")
    plan = load_plan(path)
    story.section(
        "The plan",
        "The new column stands beside the old one, and triggers keep the two equal, until nobody uses "
        "the old one any more. Every step can be reviewed, and undone until the last one.",
    )
    story.command(f"migsafe plan {MIGRATION} --traffic traffic.toml --database ...")
    for stage in Stage:
        titles = [step.title for step in plan.steps_to(stage)]
        if stage in SCHEMA_STAGES:
            for label, title in zip((stage, *("" for _ in titles)), titles, strict=False):
                story.note(f"{label:<11} {title}")
        elif stage is Stage.CANARY:
            shares = ", ".join(f"{percent} %" for percent in STEPS)
            story.note(f"{'traffic':<11} dark, then green gets {shares}, each share behind its gates")
        elif stage in {Stage.SOAKED, Stage.FENCED}:
            story.note(f"{stage:<11} {WHY[stage]}")
    for warning in plan.warnings:
        for line in textwrap.wrap(f"to know: {warning}", WIDTH - 3, subsequent_indent=" " * 9):
            story.note(line)
    return plan


def run(plan: Plan, world: World, watcher: Watcher, story: Story) -> Outcome:
    """Bring all traffic to green, as far as the gates let it go.

    Raises:
        MigsafeError: It could not go on.
    """
    story.section(
        "The rollout, while requests keep flowing",
        "Schema before traffic on the way there. At every stage all rows are compared in both columns.",
    )
    story.command(f"migsafe run {PLAN} --database ...")
    check_first(plan, world.dsn)
    with controller(plan, world.dsn, observer=watcher) as driver, story.ticking(watcher.activity):
        return driver.drive(Stage.SOAKED)


def contract(plan: Plan, world: World, watcher: Watcher, story: Story) -> Outcome:
    """Stop blue, and take the old column away.

    Raises:
        MigsafeError: It could not go on.
    """
    story.section(
        "The end of the old column",
        "Only when nobody uses it any more, which is proven and not believed.",
    )
    world.apps[Version.BLUE].stop()
    story.step(f"{'blue':<12}stopped, as your deployment would do it now")
    story.command(f"migsafe contract {PLAN} --drop --database ...")
    with controller(plan, world.dsn, observer=watcher) as driver, story.ticking(watcher.activity):
        driver.require_contract()
        return driver.drive(Stage.DROPPED)


def _in_short(report: LintReport, *, color: bool) -> str:
    """The errors as `migsafe lint` shows them; of the warnings, the headlines."""
    errors, others = [], []
    for file in report.files:
        severe = tuple(finding for finding in file.findings if finding.severity is Severity.ERROR)
        errors.append(replace(file, findings=severe))
        others += [finding for finding in file.findings if finding not in severe]
    view = View(color=color)
    shown, _, _ = as_text.render(replace(report, files=tuple(errors)), view).rstrip().rpartition("\n")
    headlines = [f"{each.path}:{each.line}: {each.severity}: {each.message} [{each.id}]" for each in others]
    return "\n".join([shown, *headlines, "", summary(report)])


def _traffic(step_seconds: float, world: World) -> Traffic:
    smoke = {
        "url": f"{world.proxy.url}/users/1",
        "header": f"{VERSION_HEADER}: {Version.GREEN}",  # test traffic goes to green at any split
        "body": '"version": "green"',
    }
    # Everything runs on one small machine here, so a difference in latency must be large to mean something.
    canary = {"min_requests": 30, "latency_slack_ms": 150.0}
    return Traffic(
        provider="envoy",
        options=world.proxy.options,
        steps=STEPS,
        step_seconds=step_seconds,
        hold_seconds=30.0,
        gates=(
            Gate(name="smoke", kind="smoke", options=smoke),
            Gate(name=COMPARISON, kind="canary", options=canary),
            Gate(name="in step", kind="sql", options={"query": IN_STEP, "max": 0}),
        ),
    )


def _migration(directory: Path) -> tuple[Path, str]:
    path = directory / MIGRATION
    path.write_bytes(text_of("migration.sql"))
    return path, path.read_text(encoding="utf-8")


def _catalog(world: World) -> Catalog:
    with psycopg.connect(world.dsn, autocommit=True) as conn:
        return read_catalog(conn)
