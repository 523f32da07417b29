"""docs/cli.md is what the commands themselves say; `make golden` writes it again."""

import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_of_the_command_line_is_up_to_date(request: pytest.FixtureRequest) -> None:
    typer = Path(sys.executable).parent / "typer"
    found = subprocess.run(
        [
            typer,
            "migsafe.cli.main",
            "utils",
            "docs",
            "--name",
            "migsafe",
            "--title",
            "Command line reference",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "110", "NO_COLOR": "1"},
    ).stdout
    said = found.rstrip() + "\n"
    if request.config.getoption("--update-golden"):
        PAGE.write_text(said)
    assert PAGE.read_text() == said
