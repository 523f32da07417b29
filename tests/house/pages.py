"""Pages whose commands are run from top to bottom, and must print what the page shows.

A block that is headed ```python PATH (or toml, ini ...) is written to that file; each `$ ` line of a
```console block is run by a shell in the project, and must print what follows it, where a line `...` stands
for any lines. A comment `<!-- wait SECONDS -->` waits. `make golden` writes the outputs again, but keeps
those with `...`.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$|^<!-- wait (\d+) -->$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command on a page: what is typed, what is shown, and where the shown text stands."""

    line: str
    shown: str
    start: int
    end: int


def shell_environment(home: Path) -> dict[str, str]:
    """A shell as a user has it, but without colours, and with a git that knows who commits."""
    who = {
        f"GIT_{role}_{key}": "someone@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    }
    found = {**os.environ, **who, "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "100"}
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


def run_page(path: Path, project: Path, environment: Mapping[str, str], *, update: bool) -> int:
    """Run every command of the page in the project. Returns how many there were."""
    page = path.read_text(encoding="utf-8")
    updated, copied, count = "", 0, 0
    for block in BLOCK.finditer(page):
        language, file, text, wait = block.groups()
        if wait:
            time.sleep(float(wait))
        if file:
            (project / file).parent.mkdir(parents=True, exist_ok=True)
            (project / file).write_text(text, encoding="utf-8")
        if language != "console":
            continue
        for command in commands(text, block.start(3)):
            count += 1
            printed = _printed(command.line, project, environment)
            if not update:
                assert is_like(command.shown, printed), f"$ {command.line}\n{printed}"
            elif not is_like(command.shown, printed):
                updated += page[copied : command.start] + printed
                copied = command.end
    if updated:
        path.write_text(updated + page[copied:], encoding="utf-8")
    return count


def _printed(line: str, project: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=project,
        env=dict(environment),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=240,
        check=False,
    )
    printed = "\n".join(line.rstrip() for line in done.stdout.splitlines())
    return printed + "\n" if printed else ""
