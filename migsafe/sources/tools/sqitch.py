"""sqitch: the plan says which changes there are and in which order.

Scripts are run by psql, without a transaction around them: they say BEGIN and COMMIT themselves.
https://sqitch.org/docs/manual/sqitchtutorial/ https://sqitch.org/docs/manual/sqitch-configuration/
A change that was reworked keeps its earlier script as `name@tag`, by a tag that stands between the two.
https://sqitch.org/docs/manual/sqitch-rework/
"""

import re
from dataclasses import dataclass
from pathlib import Path

from migsafe.sources.settings import Direction

PLAN = "sqitch.plan"
_CHANGE = re.compile(r"\A[+]?\s*(?P<name>[^\s\[%@#+-][^\s\[@]*)(?:\s|\Z)")
_TAG = re.compile(r"\A@(?P<name>\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of the plan: a change, and the tags between it and the next change of its name."""

    name: str
    tags: tuple[str, ...] = ()
    reworked: bool = False


def read_plan(text: str) -> tuple[Change, ...]:
    """The changes of a plan in order; pragmas and comments are left out."""
    names: list[str] = []
    tags: list[tuple[int, str]] = []
    for line in text.splitlines():
        line = line.strip()  # noqa: PLW2901 -- the line without its margins is the line
        if tag := _TAG.match(line):
            tags.append((len(names), tag["name"]))
        elif change := _CHANGE.match(line):
            names.append(change["name"])
    return tuple(_change(number, names, tags) for number in range(len(names)))


def scripts(plan: Path, changes: tuple[Change, ...], direction: Direction) -> tuple[tuple[str, Path], ...]:
    """Each change's name and script, in the order in which they run; a script need not exist."""
    folder, extension = _folder(plan, direction)
    paths = [
        (change.name, _script(folder, change, extension))
        for change in (changes if direction is Direction.UP else reversed(changes))
    ]
    return tuple(paths)


def _change(number: int, names: list[str], tags: list[tuple[int, str]]) -> Change:
    later = [other for other in range(number + 1, len(names)) if names[other] == names[number]]
    between = [name for at, name in tags if number < at <= (later[0] if later else len(names))]
    return Change(name=names[number], tags=tuple(between), reworked=bool(later))


def _script(folder: Path, change: Change, extension: str) -> Path:
    if change.reworked:
        for tag in change.tags:
            path = folder / f"{change.name}@{tag}.{extension}"
            if path.exists():
                return path
    return folder / f"{change.name}.{extension}"


def _folder(plan: Path, direction: Direction) -> tuple[Path, str]:
    import configparser  # noqa: PLC0415 -- seldom needed, and slow to import

    kind = "deploy" if direction is Direction.UP else "revert"
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        text = (plan.parent / "sqitch.conf").read_text(encoding="utf-8", errors="replace")
        # git's format: keys are indented, which to an ini file would continue the line before.
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except (OSError, configparser.Error):
        parser.clear()
    top = parser.get("core", "top_dir", fallback=".") or "."
    folder = parser.get("core", f"{kind}_dir", fallback="") or f"{top}/{kind}"
    return plan.parent / folder, parser.get("core", "extension", fallback="sql") or "sql"
