"""How findings are shown: one module `as_<format>` for each format, found by its name.

Such a module has `render(report: LintReport, view: View) -> str`; nothing else needs to know it.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from migsafe.lint.model import LintReport

_PREFIX = "as_"


def _as_given(path: str) -> str:
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a report is looked at; formats for machines only ask for `locate`.

    `color` allows control codes. `quiet` is one line for each finding, `verbose` shows accepted ones, too.
    `locate` gives a path from the root of the repository.
    """

    color: bool = False
    quiet: bool = False
    verbose: bool = False
    locate: Callable[[str], str] = _as_given


_PLAIN = View()


class _Format(Protocol):
    """What every format module has."""

    def render(self, report: LintReport, view: View) -> str:
        """The report, ending in a newline."""
        ...


def formats() -> tuple[str, ...]:
    """The names of all formats, for `--format`."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.removeprefix(_PREFIX) for name in modules if name.startswith(_PREFIX)))


def render(report: LintReport, format_name: str, view: View = _PLAIN) -> str:
    """The report in this format (one of `formats()`), ending in a newline."""
    module = cast("_Format", importlib.import_module(f"{__name__}.{_PREFIX}{format_name}"))
    return module.render(report, view)
