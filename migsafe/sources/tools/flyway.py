"""Flyway: names, script configuration files, placeholders.

`V<version>__<description>.sql` run once, by version; `U` undoes one, `B` is a baseline; `R__` run last, by
description; callbacks (`afterMigrate.sql`) are no migrations. A file runs in a transaction unless
`executeInTransaction=false` is in its `.conf` file or the project's, or it has a statement that PostgreSQL
refuses in a transaction, which Flyway detects.
https://documentation.red-gate.com/fd/migrations-271585107.html
https://documentation.red-gate.com/fd/flyway-execute-in-transaction-setting-277578997.html
https://documentation.red-gate.com/fd/postgresql-database-277579325.html
"""

import re
from collections.abc import Mapping
from pathlib import Path

from migsafe.sources.settings import Direction
from migsafe.sources.tools.marked import Marked

NAME = re.compile(r"(?P<prefix>[VUB])(?P<version>\d[\d._]*?)__(?P<title>.*)\.sql\Z|R__(?P<repeat>.*)\.sql\Z")
CALLBACK = re.compile(r"(?:before|after|create|undo)[A-Z][A-Za-z]*(?:__.*)?\.sql\Z")
_NOT_IN_TRANSACTION = re.compile(
    r"(?is)\A(?:(?:create|drop)\s+(?:database|tablespace|subscription)\b|alter\s+system\b"
    r"|(?:create|drop)\s+(?:unique\s+)?index\s+concurrently\b"
    r"|reindex\s+(?:\(\s*verbose\s*\)\s+|verbose\s+)?(?:schema|database|system)\b|vacuum\b|discard\s+all\b)"
)
_CONFIGURATION = ("flyway.toml", "flyway.conf", "conf/flyway.conf")


def order(name: str) -> tuple[int, tuple[int, ...], str]:
    """Baselines and versions by number, then what is repeatable by description; other names last."""
    found = NAME.match(name)
    if found is None:
        return (2, (), name)
    if found["repeat"] is not None:
        return (1, (), found["repeat"])
    # 1 and 1.0 are the same version.
    numbers = [int(part) for part in re.split(r"[._]", found["version"]) if part]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return (0, tuple(numbers), found["prefix"])


def runs(name: str, direction: Direction) -> bool:
    """Whether a file of this name takes part: U files undo, all others go forward."""
    found = NAME.match(name)
    if found is None:
        return False
    return (found["prefix"] == "U") is (direction is Direction.DOWN)


def version(name: str) -> str:
    """The version of a file of this name, or "" when it has none."""
    found = NAME.match(name)
    return (found["version"] or "") if found else ""


def mark(text: str, settings: Mapping[str, str]) -> Marked:
    """The file as it runs. `settings` are those of its own and the project's configuration files."""
    from migsafe.sql.split import split  # noqa: PLC0415 -- seldom needed, and slow to import

    wanted = settings.get("executeintransaction", "true").strip().lower() != "false"
    refused = any(_NOT_IN_TRANSACTION.match(statement.text) for statement in split(text).statements)
    return Marked(text=text, in_transaction=wanted and not refused)


def settings_of(script: Path) -> dict[str, str]:
    """What the configuration files say for a script: the project's, above it, and its own `.conf`.

    Keys are in lower case without `flyway.`. A file that cannot be read says nothing.
    """
    found: dict[str, str] = {}
    for folder in reversed(script.resolve().parents[:4]):
        for name in _CONFIGURATION:
            found |= _read(folder / name)
    return found | _read(script.with_name(script.name + ".conf"))


def _read(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    if path.suffix == ".toml":
        import tomllib  # noqa: PLC0415 -- seldom needed, and slow to import

        try:
            return dict(_flat(tomllib.loads(text).get("flyway", {})))
        except tomllib.TOMLDecodeError:
            return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and line.lstrip()[:1] != "#")
    return {key.strip().removeprefix("flyway.").lower(): value.strip() for key, value in pairs}


def _flat(table: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in table.items():
        name = f"{prefix}{key}".lower()
        if isinstance(value, dict):
            pairs += _flat(value, f"{name}.")
        else:
            pairs.append((name, str(value)))
    return pairs
