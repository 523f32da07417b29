"""docs/operating.md has an entry for everything that the runner says when it stops, waits or refuses.

A new error or reason to wait without an entry fails here: add its text to the guide, with what to type.
"""

import importlib
import pkgutil
import re
from pathlib import Path

import migsafe.fleet
import migsafe.rollout
import migsafe.run
from migsafe.config.limits import NAMES
from migsafe.errors import MigsafeError
from migsafe.run.ledger.model import State
from tests.house.said import VARIES, everything_said

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
# What says in its own words what another one found: that one has the entry.
RELAYED = {
    ("run/backfill.py", "RunError"),  # what a worker could not do
    ("run/pace/pacer.py", "Waiting"),  # on hold: the table of signals
    ("run/runner.py", "Waiting"),
    ("run/waiting.py", "Waiting"),
    ("rollout/watch.py", "Waiting"),
    ("rollout/watch.py", "Held"),  # gate '…' says …
    ("rollout/options.py", "UsageError"),  # …: what is wrong with an option
}
NO_TEXT = "gate '…' says …: …"  # made of several readings


def kinds(base: type[MigsafeError] = MigsafeError) -> set[str]:
    for package in (migsafe.run, migsafe.rollout, migsafe.fleet):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    return _below(base)


def _below(base: type[MigsafeError]) -> set[str]:
    """Not those of the demo, which other tests of the same process may have loaded."""
    of_runner = (
        "migsafe.errors",
        *(package.__name__ for package in (migsafe.run, migsafe.rollout, migsafe.fleet)),
    )
    return {base.__name__}.union(
        *(_below(each) for each in base.__subclasses__() if each.__module__.startswith(of_runner))
    )


def entries() -> list[tuple[list[str], str]]:
    """The texts of each entry, and what it says about them."""
    found = re.findall(r"^```text\n(.*?)^```\n(.*?)(?=^```|^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return [(texts.splitlines(), about) for texts, about in found]


def test_everything_that_the_runner_says_has_an_entry() -> None:
    said = everything_said(kinds())
    assert len(said) > 100
    documented = {text for texts, _ in entries() for text in texts}
    missing = sorted(
        f"{each.place}: {each.text}"
        for each in said
        if each.text not in documented and not (each.text == VARIES and (each.place, each.kind) in RELAYED)
    )
    assert missing == []


def test_no_entry_is_about_something_that_is_not_said_any_more() -> None:
    said = {each.text for each in everything_said(kinds())}
    texts = [text for texts, _ in entries() for text in texts]
    assert [text for text in texts if text not in said and text != NO_TEXT] == []
    assert len(texts) == len(set(texts))


def test_every_entry_has_something_to_type() -> None:
    without = [texts[0] for texts, about in entries() if not re.search(r"`(migsafe|export|SELECT) ?", about)]
    assert without == []


def test_every_signal_and_limit_that_can_hold_a_run_has_a_row_with_the_command() -> None:
    holding = [name for name in NAMES if name != "batch-duration"]
    for name in holding:
        (row,) = re.findall(rf"^\| `{name}` \|.*$", PAGE, re.MULTILINE)
        assert f"`migsafe set PLAN {name} " in row


def test_every_kind_of_error_is_explained() -> None:
    table = PAGE[PAGE.index("## Kinds of errors") :]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert named == kinds() - {"MigsafeError"} | {"Interrupted"}


def test_every_state_is_explained() -> None:
    for state in State:
        assert re.search(rf"^\| (`\w+`, )?`{state}`.* \|", PAGE, re.MULTILINE), state


def test_every_command_and_option_of_the_guide_exists() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    sections = dict(
        re.findall(r"^###? `migsafe ([\w -]+)`\n(.*?)(?=^##|\Z)", reference, re.DOTALL | re.MULTILINE)
    )
    commands = re.findall(r"`migsafe ((?:fleet )?[\w-]+)([^`]*)`", PAGE)
    assert len(commands) > 50
    for command, rest in commands:
        assert command in sections or command == "resume", command
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in sections[command], f"{command} {option}"
