"""The short cut around Typer reads a command line as Typer does, or leaves it to Typer."""

from inspect import signature
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import migsafe.cli.lint_run
from migsafe.cli.main import app
from migsafe.cli.quick import FLAGS, FORMATS, VALUES, lint_arguments
from migsafe.lint.reports import formats

LINT = typer.main.get_command(app).commands["lint"]  # type: ignore[attr-defined]  # a group has commands
DEFAULTS = {name: each.default for name, each in signature(migsafe.cli.lint_run.run_lint).parameters.items()}
WORDS = (
    *FLAGS,
    *VALUES,
    *(
        "1.sql",
        "a b.sql",
        "-",
        "--",
        "",
        "text",
        "json",
        "sarif",
        "nonsense",
        "--help",
        "-qv",
        "-x",
        "--form",
    ),
    *("--format=json", "--format=", "--server-version=14", "14", "18", "19", "08", "auto", "always", "never"),
    *("warning", "error", "locks=off", "json=out.json", "sarif=", "--report=text=x", "--no-cache=1", "2s"),
    *("--fix-lock-timeout", "--down=", "--rule=a=off", "main", "--color=never", "--schema=-", "٣"),
)


def by_typer(arguments: list[str]) -> dict[str, Any] | None:
    """What the command gives to run_lint, None when it does not come to that."""
    given: list[dict[str, Any]] = []

    def note(**values: Any) -> int:
        given.append(values)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migsafe.cli.lint_run, "run_lint", note)
        CliRunner().invoke(app, arguments)
    return given[0] if given else None


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=5))
def test_the_short_cut_gives_what_typer_gives_or_nothing(words: list[str]) -> None:
    if lint_arguments(["lint", *words]) is not None:
        compare(["lint", *words])


def compare(arguments: list[str]) -> None:
    quick, whole = lint_arguments(arguments), by_typer(arguments)
    assert quick is not None
    assert whole is not None
    for name, value in whole.items():
        default = DEFAULTS[name]
        expected = list(value) if isinstance(value, (list, tuple)) else value
        found = quick.get(name, default)
        assert (list(found) if isinstance(found, (list, tuple)) else found) == expected, name
    assert not quick.keys() - whole.keys()


@pytest.mark.parametrize(
    "arguments",
    [
        ["lint"],
        ["lint", "1.sql", "2.sql"],
        ["lint", "--format", "json", "migrations"],
        ["lint", "-q", "--fail-on=warning", "--rule", "locks=off", "--rule=all=on", "x.sql"],
        ["lint", "--diff", "origin/main", "--report", "junit=x.xml", "--", "-odd.sql"],
        ["lint", "-", "--stdin-filename", "a.sql", "--server-version", "16"],
    ],
)
def test_plain_forms_take_the_short_cut(arguments: list[str]) -> None:
    compare(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--version"],
        ["explain", "1.sql"],
        ["lint", "--help"],
        ["lint", "--nonsense"],
        ["lint", "--format", "nonsense"],
        ["lint", "--format"],
        ["lint", "--server-version", "13"],
        ["lint", "--schema", "a.sql", "--schema", "b.sql"],
    ],
)
def test_everything_else_is_for_typer(arguments: list[str]) -> None:
    assert lint_arguments(arguments) is None


def test_every_option_of_the_command_is_known_to_the_short_cut() -> None:
    flags: dict[str, str] = {}
    values: dict[str, str] = {}
    for option in (each for each in LINT.params if each.name not in {"paths", "help"}):
        (flags if option.is_flag else values).update(dict.fromkeys(option.opts, option.name))
    del values["--fix-lock-timeout"]  # nobody is in a hurry who has files changed
    assert flags == FLAGS
    assert values == {name: key for name, (key, _) in VALUES.items()}
    assert formats() == FORMATS
