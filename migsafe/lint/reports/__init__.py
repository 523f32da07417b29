"""How findings are shown: one module `as_<format>` for each format, found by its name.

Such a module has `render(report: LintReport, *, color: bool) -> str`; nothing else needs to know it.
"""

import importlib
import pkgutil
from typing import Protocol, cast

from migsafe.lint.model import LintReport

_PREFIX = "as_"


class _Format(Protocol):
    """What every format module has."""

    def render(self, report: LintReport, *, color: bool) -> str:
        """The report, ending in a newline."""
        ...


def formats() -> tuple[str, ...]:
    """The names of all formats, for `--format`."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.removeprefix(_PREFIX) for name in modules if name.startswith(_PREFIX)))


def render(report: LintReport, format_name: str, *, color: bool = False) -> str:
    """The report in this format (one of `formats()`), ending in a newline.

    `color` allows control codes; formats for machines never use any.
    """
    module = cast("_Format", importlib.import_module(f"{__name__}.{_PREFIX}{format_name}"))
    return module.render(report, color=color)
