"""What the commands of a fleet share: their options, the fleet and its plan, and going through it."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from migsafe.cli.formats import OutputFormat, print_json
from migsafe.cli.rollouts import EXIT_FAILED_GATE, EXIT_INTERRUPTED, looks_like_a_file
from migsafe.cli.telemetry import Wanted
from migsafe.errors import StateRefused, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from migsafe.fleet.check import Checked
    from migsafe.fleet.drive import Driver
    from migsafe.fleet.model import Database, Fleet
    from migsafe.fleet.reading import Reading
    from migsafe.plan.model import Plan
    from migsafe.plan.stages import Stage

EXIT_ERROR = 2

FILE = typer.Option(
    ..., "--databases", metavar="FILE", help="The TOML file that says which databases the fleet has."
)
ONLY = typer.Option(
    [],
    "--only",
    metavar="NAME[,NAME]",
    help="Only these databases: names, or patterns like 'eu_*'. Repeatable.",
)
CANARY = typer.Option(
    None, "--canary", metavar="NAME", help="Which database comes first, alone. [default: the first one]"
)
WAVES = typer.Option(
    None,
    "--waves",
    metavar="SIZES",
    help="The waves after the canary: numbers or percentages. [default: 10%,50%,rest]",
)
PARALLEL = typer.Option(
    None, "--parallel", min=1, max=64, help="How many databases of a wave at once. [default: 4]"
)
PAUSE = typer.Option(
    None,
    "--pause",
    metavar="TIME",
    help="How long to wait between two waves, as in 90s or 30m. [default: 0s]",
)
KEEP_GOING = typer.Option(False, "--keep-going", help="Go on with the others when a database fails.")
GONE = typer.Option(
    False, "--new-version-gone", help="You are sure that no process of the new version runs any more."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What the options say about going through the fleet; what they leave out, the file says."""

    canary: str | None
    waves: str | None
    parallel: int | None
    pause: str | None
    keep_going: bool
    events: str | None = None
    webhooks: Sequence[str] = ()

    def told(self) -> tuple[list[str], tuple[int, ...]]:
        """The words by which each process tells what it does, and the open files that it needs for that."""
        words = [word for url in self.webhooks for word in ("--webhook", url)]
        if self.events is None:
            return words, ()
        number = self.events.removeprefix("fd:")
        if self.events == "-":
            number = str(os.dup(1))  # its own standard output is for its result
        elif number == self.events:
            return [*words, "--events", self.events], ()
        if not number.isdecimal():
            raise UsageError(f"--events {self.events}: not a file descriptor", advice="For example: fd:3")
        return [*words, "--events", f"fd:{number}"], (int(number),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A fleet, the databases that were chosen of it, and the plan."""

    fleet: "Fleet"
    chosen: "tuple[Database, ...]"
    plan: "Plan"
    plan_file: Path | None

    def readings(self) -> "tuple[Reading, ...]":
        """Where each database of the fleet stands, chosen or not."""
        from migsafe.fleet.reading import read_fleet

        return read_fleet(self.fleet.databases, self.plan.name, self.plan)

    def among(self, readings: "Sequence[Reading]") -> "tuple[Reading, ...]":
        """Those of the chosen databases."""
        names = {each.name for each in self.chosen}
        return tuple(each for each in readings if each.name in names)

    def target(self, to: str | None) -> "Stage":
        """The stage to go to: a schema stage before the contract.

        Raises:
            UsageError: There is no such stage, or `fleet run` does not go there.
        """
        from migsafe.cli.run import read_stage
        from migsafe.plan.stages import Stage
        from migsafe.run.order import up_to

        wanted = read_stage(to) or Stage.VERIFIED
        if wanted.position > Stage.VERIFIED.position:
            raise UsageError(
                f"`fleet run` does not go to '{wanted}'",
                advice="It goes to 'verified' at most; `migsafe fleet contract` takes the old shape away.",
            )
        return up_to(self.plan, wanted)

    def waves(self, sizes: str | None, canary: str | None) -> tuple[tuple[str, ...], ...]:
        """The waves of the chosen databases. A canary of the file counts only if it is among them."""
        from migsafe.fleet.waves import parse_sizes, waves

        names = tuple(each.name for each in self.chosen)
        mine = self.fleet.canary if self.fleet.canary in names else None
        return waves(names, parse_sizes(sizes.split(",")) if sizes else self.fleet.sizes, canary or mine)


def opened(plan: str, databases: str, only: Sequence[str], *, must_be_file: bool = False) -> Opened:
    """The fleet and its plan; the plan from its file, or by its name from the first ledger that has it.

    Raises:
        UsageError, PlanError, ConnectionFailed: One of them cannot be had.
    """
    from migsafe.fleet.file import load_fleet
    from migsafe.plan.toml.file import load_plan

    if must_be_file and not looks_like_a_file(plan):
        raise UsageError(
            f"there is no plan file '{plan}'",
            advice="A fleet is gone through with the plan's file: some databases may not have begun it.",
        )
    found = load_fleet(Path(databases), os.environ)
    if found.canary is not None and found.canary not in found.names:
        from migsafe.suggest import did_you_mean

        hint = did_you_mean(found.canary, found.names)
        raise UsageError(f"{databases}: the canary '{found.canary}' is none of the databases{hint}")
    chosen = found.select(only)
    if looks_like_a_file(plan):
        path = Path(plan)
        return Opened(fleet=found, chosen=chosen, plan=load_plan(path), plan_file=path)
    return _by_name(plan, found, chosen)


def carry_out(
    at: Opened,
    checked: "Sequence[Checked]",
    words: Sequence[str],
    target: "Stage",
    ways: Ways,
    output_format: OutputFormat,
    *,
    command: str,
) -> None:
    """Go through the fleet, say how it came out, and exit with the code for that."""
    from migsafe.cli.fleet_show import Lines, check_document, check_lines, report_document, report_lines
    from migsafe.fleet.drive import Course, Driver
    from migsafe.fleet.model import listed
    from migsafe.plan.toml.durations import parse_duration

    to_stderr = Wanted(command=command, events=ways.events).text_to_stderr(output_format)
    order = at.waves(ways.waves, ways.canary)
    pause = at.fleet.pause_seconds if ways.pause is None else parse_duration(ways.pause)
    failed = [each for each in checked if each.problem]
    notes = {*at.plan.warnings, *(note for each in checked for note in each.notes)}
    lines = Lines(
        sys.stderr if output_format is OutputFormat.JSON or to_stderr else sys.stdout,
        at.chosen,
        known=(f"{at.plan.name}: {at.plan.summary}", *(f"warning: {note}" for note in notes)),
    )
    lines.fleet("\n".join(check_lines(at.plan, checked, order, target)))
    if failed and not (ways.keep_going and len(failed) < len(checked)):
        if output_format is OutputFormat.JSON:
            print_json(check_document(at.plan, checked, order, target))
        raise StateRefused(
            f"nothing was begun, for not all databases are ready: {listed(each.name for each in failed)}",
            advice="See above. Correct the cause and run this again; --keep-going leaves such databases out.",
        )
    told, descriptors = ways.told()
    course = Course(
        rollout=at.plan.name,
        target=target,
        words=[*words, *told],
        descriptors=descriptors,
        waves=order,
        parallel=ways.parallel or at.fleet.parallel,
        pause_seconds=pause,
        keep_going=ways.keep_going,
        objection=lambda: _changed(at),
    )
    driver = Driver(
        course=course,
        checked={each.name: each for each in checked},
        tell=lines.database,
        say=lines.fleet,
    )
    with _signals(driver):
        report = driver.go()
    if output_format is OutputFormat.JSON:
        print_json(report_document(at.plan, report, target))
    else:
        typer.echo("\n".join(report_lines(at.plan, report, target, command=command)), err=to_stderr)
    if report.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if not report.ok:
        raise typer.Exit(EXIT_ERROR if report.has_failed else EXIT_FAILED_GATE)


@contextmanager
def _signals(driver: "Driver") -> Iterator[None]:
    """Ctrl-C and SIGTERM end the work in hand, and the report still comes."""

    def stop(number: int, frame: "FrameType | None") -> None:
        del number, frame
        driver.interrupt()

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _changed(at: Opened) -> str:
    """Why nothing may begin any more: the plan's file is not what it was when the fleet was checked."""
    from migsafe.errors import MigsafeError
    from migsafe.plan.toml.file import fingerprint, load_plan

    if at.plan_file is None:
        return ""
    try:
        same = fingerprint(load_plan(at.plan_file)) == fingerprint(at.plan)
    except MigsafeError:
        same = False
    return "" if same else f"the plan file {at.plan_file} was changed meanwhile"


def _by_name(name: str, fleet: "Fleet", chosen: "tuple[Database, ...]") -> Opened:
    from migsafe.fleet.reading import read_fleet
    from migsafe.plan.toml.file import read_plan

    readings = read_fleet(fleet.databases, name)
    found = next((each for each in readings if each.plan), None)
    if found is None:
        unknown = next((each for each in readings if each.problem), None)
        raise UsageError(
            f"no database of the fleet has a rollout named '{name}'"
            + (f", and {unknown.name} cannot be asked: {unknown.problem}" if unknown else ""),
            advice="Give the plan's file, or the name in its first line.",
        )
    plan = read_plan(found.plan, file=f"the plan of '{name}' in the ledger of {found.name}")
    return Opened(fleet=fleet, chosen=chosen, plan=plan, plan_file=None)
