"""The newcomer's tour: one real schema change from the naive migration to its safe end, under traffic."""

import time
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg

from migsafe.demo import journey
from migsafe.demo.blocked import BlockedSampler
from migsafe.demo.directory import one_interrupt, working_directory
from migsafe.demo.envoy import envoy_program
from migsafe.demo.instep import wrong_rows
from migsafe.demo.outcome import Outcome, problems_of
from migsafe.demo.story import Story
from migsafe.demo.summary import summary_rows
from migsafe.demo.watcher import Watcher, counts
from migsafe.demo.world import APPLICATIONS, World, postgres_binaries
from migsafe.errors import MigsafeError
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage, Version
from migsafe.run.ledger.model import State

SETTLE_SECONDS = 1.0  # for requests that were under way when the traffic moved
CALM_SECONDS = 2.0  # of traffic before the change, and after its end or its retreat
PATIENCE_SECONDS = 60.0  # for the promised number of requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """What a demo is asked for. `rate` is actions of the load per second."""

    rows: int = 200_000
    break_canary: bool = False
    keep: bool = False
    rate: float = 300.0
    least_requests: int = 5_000
    step_seconds: float = 3.5
    soak_seconds: float = 2.0


def run_tour(tour: Tour, story: Story) -> tuple[Outcome, list[str]]:
    """Show everything; gives what was seen, and what did not hold.

    Nothing is left behind, however it ends.

    Raises:
        MigsafeError: A part of the demo is not installed or did not start.
        KeyboardInterrupt: Somebody stopped it.
    """
    postgres_binaries()
    envoy_program()
    outcome = Outcome(rows=tour.rows, least_requests=tour.least_requests, break_canary=tour.break_canary)
    started = time.monotonic()
    with one_interrupt(), working_directory(keep=tour.keep) as directory:
        story.line("migsafe demo: a column gets a new name while the application keeps serving traffic")
        if tour.keep:
            outcome.directory = str(directory)
            story.line(f"Everything of it is kept in {directory}")
        with World(directory, keep=tour.keep) as world, ExitStack() as stack:
            _build(tour, world, story)
            sampler = stack.enter_context(BlockedSampler(world.dsn, APPLICATIONS))
            connection = stack.enter_context(
                psycopg.connect(world.dsn, application_name="demo-check", autocommit=True)
            )
            journey.lint(world, story)
            plan = journey.make_plan(tour.step_seconds, tour.soak_seconds, world, story)
            watcher = Watcher(
                world=world,
                outcome=outcome,
                story=story,
                sampler=sampler,
                connection=connection,
            )
            _roll_out(plan, watcher, outcome, world, story)
            _finish(outcome, world, story, connection, sampler)
        outcome.seconds = time.monotonic() - started
        problems = problems_of(outcome)
        _conclude(outcome, problems, story)
    return outcome, problems


def _build(tour: Tour, world: World, story: Story) -> None:
    story.section("A shop and its traffic")
    world.start_database(tour.rows)
    story.step(f"{world.version}: table users with {tour.rows:,} rows, an index on name")
    blue = world.start_application(Version.BLUE)
    story.step(f"blue, the application of today, reads and writes users.name      {blue.url}")
    green = world.start_application(Version.GREEN, writes_fail=tour.break_canary)
    story.step(f"green, its next version, reads and writes users.full_name        {green.url}")
    if tour.break_canary:
        story.step(story.bad("green has a bug: whatever it should write fails; its tests only read"))
    world.start_proxy()
    story.step(f"Envoy sends all traffic to blue for now                          {world.proxy.url}")
    world.start_load(rows=tour.rows, rate=tour.rate)
    story.step("requests flow: reads, inserts, updates; every read is compared with the last write")
    time.sleep(CALM_SECONDS)
    story.step(counts(world))


def _roll_out(plan: Plan, watcher: Watcher, outcome: Outcome, world: World, story: Story) -> None:
    watcher.look("before")
    try:
        ended = journey.run(plan, world, watcher, story)
        if ended.ok and ended.stage is Stage.SOAKED:
            ended = journey.contract(plan, world, watcher, story)
    except MigsafeError as error:
        outcome.error = f"the rollout stopped: {error}"
        story.step(story.bad(outcome.error))
        return
    outcome.stage, outcome.green_percent = ended.stage, ended.green_percent
    if ended.state is State.RETREATED:
        outcome.retreat_reason = ended.reason
    if not (ended.ok or outcome.break_canary):
        outcome.error = f"the rollout stopped in stage '{ended.stage}': {ended.reason}"
    time.sleep(SETTLE_SECONDS)
    before = world.load.latest()
    time.sleep(CALM_SECONDS)
    after = world.load.latest()
    failed = after.failed - before.failed
    green = after.by_version.get(Version.GREEN, 0) - before.by_version.get(Version.GREEN, 0)
    if outcome.retreat_reason:
        watcher.look("after the retreat")
        outcome.failed_after_retreat, outcome.green_after_retreat = failed, green
    requests = after.requests - before.requests
    story.step(f"{'since then':<12}{requests:,} requests, {failed:,} failed, {green:,} answered by green")


def _finish(
    outcome: Outcome, world: World, story: Story, connection: psycopg.Connection, sampler: BlockedSampler
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with story.ticking(lambda: f"on to {outcome.least_requests:,} requests; {counts(world)}"):
        while world.load.latest().requests < outcome.least_requests and time.monotonic() < deadline:
            time.sleep(0.25)
    for version, app in world.apps.items():
        outcome.slowest_statement_ms[version] = app.measure()
    outcome.load, written = world.load.finish()
    outcome.longest_block = sampler.longest()
    outcome.block_samples, outcome.block_error = sampler.samples, sampler.error
    outcome.wrong_rows = wrong_rows(connection, seeded=outcome.rows, written=written)


def _conclude(outcome: Outcome, problems: list[str], story: Story) -> None:
    story.section("What was measured")
    for label, value in summary_rows(outcome):
        story.note(f"{label:<21} {value}")
    story.line()
    if outcome.directory is not None:
        story.line(f"The plan, the logs and the database's files are kept in {outcome.directory}")
    if problems:
        story.line(story.bad("This did not hold:"))
        for problem in problems:
            story.line(f"  - {problem}")
    elif outcome.break_canary:
        story.line(
            story.good("The broken version met a small share of the traffic, then blue had it all again.")
        )
        story.line("The schema serves both versions: fix green and run the plan again, or take it back with")
        story.line(f"   migsafe revert {journey.PLAN} --database ...")
    else:
        story.line(story.good("The column has its new name, and nobody noticed."))
