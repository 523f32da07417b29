"""Gives one command to several databases, and reports what came of it."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from migsafe.cli.fleet_show import Lines, acted_document, acted_lines
from migsafe.cli.formats import OutputFormat, print_json
from migsafe.errors import RunError
from migsafe.plan.stages import Stage
from migsafe.run.ledger.model import State

if TYPE_CHECKING:
    from migsafe.fleet.act import Acted
    from migsafe.fleet.reading import Reading

EXIT_ERROR = 2


def only_at_work(reading: "Reading") -> str:
    """Nothing is to be paused where nobody works."""
    return "" if reading.holder else f"nobody is at work, in stage '{reading.stage}'"


def not_over(reading: "Reading") -> str:
    """Nothing is to be set where it is over."""
    return f"it is {reading.state}" if reading.state in (State.DONE, State.REVERTED) else ""


def only_tombstoned(reading: "Reading") -> str:
    """Only a tombstone can be renamed back."""
    return "" if reading.stage is Stage.TOMBSTONED else f"it stands in stage '{reading.stage}'"


def not_taken_back(reading: "Reading") -> str:
    """What was taken back already."""
    return "it was taken back before" if reading.state is State.REVERTED else ""


def act_and_report(
    words: Sequence[str],
    readings: "Sequence[Reading]",
    output_format: OutputFormat,
    *,
    skip: "Callable[[Reading], str]",
) -> None:
    """Do it, say what came of it, and exit with 2 when a database did not do it."""
    acted = _act(words, readings, output_format, skip)
    if output_format is OutputFormat.JSON:
        print_json(acted_document(words[0], words[1], acted))
    else:
        typer.echo("\n".join(acted_lines(words[0], acted)))
    if not all(each.ok for each in acted):
        raise typer.Exit(EXIT_ERROR)


def undo_first(rollout: str, readings: "Sequence[Reading]", output_format: OutputFormat) -> None:
    """Rename all tombstones back before anything else: from then on the old version works on all databases.

    Raises:
        RunError: One of them did not do it; nothing was taken back any further.
    """
    tombstoned = [each for each in readings if each.stage is Stage.TOMBSTONED]
    acted = _act(["undo", rollout], tombstoned, output_format, only_tombstoned) if tombstoned else ()
    failed = [each for each in acted if not each.ok]
    if failed:
        raise RunError(
            f"the old shape has not its name back in {failed[0].name}: {failed[0].error}",
            advice="Nothing was taken back any further. Correct the cause, then run the same command again.",
        )


def _act(
    words: Sequence[str],
    readings: "Sequence[Reading]",
    output_format: OutputFormat,
    skip: "Callable[[Reading], str]",
) -> "tuple[Acted, ...]":
    from migsafe.fleet.act import act

    lines = Lines(
        sys.stderr if output_format is OutputFormat.JSON else sys.stdout, [each.database for each in readings]
    )
    return act(words, readings, lines.database, skip=skip)
