"""The how-to pages are run from top to bottom: every command on them, and what it prints.

A block that is headed ```python PATH (or toml, ini ...) is written to that file; each `$ ` line of a
```console block is run by a shell in the project, and must print what follows it, where a line `...` stands
for any lines. `make golden` writes the outputs again, but keeps those with `...`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
PROJECTS = ROOT / "fixtures" / "how-to"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command on a page: what is typed, what is shown, and where the shown text stands."""

    line: str
    shown: str
    start: int
    end: int


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A shell as a user has it, but without colours, and with a git that knows who commits."""
    who = {
        f"GIT_{role}_{key}": "someone@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    }
    found = {**os.environ, **who, "HOME": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "100"}
    found.pop("VIRTUAL_ENV", None)
    found["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return found


def commands(text: str, start: int) -> Iterator[Command]:
    """The commands of a console block that starts at `start` in its page."""
    typed = [match.start() for match in re.finditer(r"^\$ ", text, re.MULTILINE)]
    for begin, end in zip(typed, [*typed[1:], len(text)], strict=True):
        line, _, shown = text[begin:end].partition("\n")
        after = start + begin + len(line) + 1
        yield Command(line=line[2:], shown=shown, start=after, end=start + end)


def is_like(shown: str, printed: str) -> bool:
    """Whether this was printed; a line `...` stands for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in shown.splitlines(keepends=True)
    )
    return re.fullmatch(pattern, printed) is not None


@pytest.mark.parametrize("name", ["alembic", "django"])
def test_every_command_of_the_page_prints_what_the_page_shows(
    name: str, tmp_path: Path, environment: dict[str, str], pytestconfig: pytest.Config
) -> None:
    project = tmp_path / "shop"
    shutil.copytree(PROJECTS / name, project)
    git = ["git", "-c", "init.defaultBranch=main"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "the shop"]):
        subprocess.run([*git, *arguments], cwd=project, env=environment, check=True)
    path = PAGES / f"{name}.md"
    page = path.read_text(encoding="utf-8")
    updated, copied, count = "", 0, 0
    for block in BLOCK.finditer(page):
        language, file, text = block.groups()
        if file:
            (project / file).parent.mkdir(parents=True, exist_ok=True)
            (project / file).write_text(text, encoding="utf-8")
        if language != "console":
            continue
        for command in commands(text, block.start(3)):
            count += 1
            done = subprocess.run(
                ["bash", "-c", command.line],
                cwd=project,
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=False,
            )
            printed = "\n".join(line.rstrip() for line in done.stdout.splitlines())
            printed = printed + "\n" if printed else ""
            if not pytestconfig.getoption("--update-golden"):
                assert is_like(command.shown, printed), f"$ {command.line}\n{printed}"
            elif not is_like(command.shown, printed):
                updated += page[copied : command.start] + printed
                copied = command.end
    assert count > 5
    if updated:
        path.write_text(updated + page[copied:], encoding="utf-8")
