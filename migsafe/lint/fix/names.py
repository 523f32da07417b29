"""The names of the fixers, without loading any of them: rule files are read in every run."""

import pkgutil
from functools import cache
from pathlib import Path


@cache
def fixer_names() -> tuple[str, ...]:
    """What a rule file may say behind `fix =`: the modules of migsafe.lint.fix.fixers."""
    folder = Path(__file__).parent / "fixers"
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)])))
