"""The command line of `migsafe lint`, read without Typer, in its plain forms.

Typer takes longer to be loaded and to look at the declarations of all options than a run from the cache
takes. The options are declared in migsafe.cli.lint alone; the tables here repeat their names, and a test
holds both readers against each other. Whatever is not plain here (help, mistakes, rare forms) is Typer's.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

from migsafe.config.words import Color, FailOn, Transaction

FLAGS = {
    **{f"--{name}": name.replace("-", "_") for name in ("down", "isolated", "quiet", "verbose")},
    **{f"--{name}": name.replace("-", "_") for name in ("no-baseline", "write-baseline", "accept-new")},
    **{f"--{name}": name.replace("-", "_") for name in ("fix", "diff-fix", "no-cache")},
    "-q": "quiet",
    "-v": "verbose",
}
FORMATS = ("github", "gitlab", "json", "junit", "markdown", "sarif", "text")


class _NotPlainError(Exception):
    """Typer has to look at it."""


def lint_arguments(arguments: Sequence[str]) -> dict[str, Any] | None:
    """What `migsafe ARGUMENTS` gives to the command `lint`; None when Typer has to say it."""
    if os.name == "nt" or not arguments or arguments[0] != "lint":
        return None
    try:
        return _read(list(arguments[1:]))
    except _NotPlainError:
        return None


def _read(left: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    paths: list[str] = []
    left.reverse()
    while left:
        word = left.pop()
        if word == "-" or (word and not word.startswith("-")):
            paths.append(word)
        elif word == "--":
            paths += reversed(left)
            break
        elif word in FLAGS:
            given[FLAGS[word]] = True
        else:
            _option(word, left, given)
    if paths:
        given["paths"] = paths
    return given


def _option(word: str, left: list[str], given: dict[str, Any]) -> None:
    name, is_one_word, value = word.partition("=")
    if name not in VALUES or not (is_one_word or left):
        raise _NotPlainError
    if not is_one_word:
        value = left.pop()
    if not value or value.startswith("-"):
        raise _NotPlainError
    key, convert = VALUES[name]
    if key in MANY:
        given.setdefault(key, []).append(convert(value))
    elif key in given:
        raise _NotPlainError
    else:
        given[key] = convert(value)


def _version(value: str) -> int:
    if len(value) != 2 or not (value.isascii() and value.isdigit()) or not 14 <= int(value) <= 18:
        raise _NotPlainError
    return int(value)


def _word(words: type[Color | FailOn | Transaction]) -> Callable[[str], Color | FailOn | Transaction]:
    def convert(value: str) -> Color | FailOn | Transaction:
        try:
            return words(value)
        except ValueError:
            raise _NotPlainError from None

    return convert


def _format(value: str) -> str:
    if value not in FORMATS:
        raise _NotPlainError
    return value


def _report(value: str) -> tuple[str, str]:
    name, _, file = value.partition("=")
    if not file:
        raise _NotPlainError
    return _format(name), file


MANY = frozenset({"rule", "report"})
VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "--schema": ("schema", str),
    "--database": ("database", str),
    "--server-version": ("server_version", _version),
    "--transaction": ("transaction", _word(Transaction)),
    "--diff": ("diff", str),
    "--stdin-filename": ("stdin_filename", str),
    "--rule": ("rule", str),
    "--config": ("config", str),
    "--format": ("format_", _format),
    "--output": ("output", str),
    "--report": ("report", _report),
    "--fail-on": ("fail_on", _word(FailOn)),
    "--color": ("color", _word(Color)),
    "--baseline": ("baseline", str),
}
