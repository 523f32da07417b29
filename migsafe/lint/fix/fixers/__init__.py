"""One module for each kind of repair; a rule names the one that repairs what it finds: `fix = "not_valid"`.

Such a module has `fix(scene: Scene) -> Fix`, which raises Refused where a person must decide, and
NotAsExpected where the statement is written in a way that is not edited.
"""

import importlib
from typing import Protocol, cast

from migsafe.lint.fix.model import Fix, NotFixed
from migsafe.lint.fix.refused import Refused
from migsafe.lint.fix.scene import Scene
from migsafe.sql.written import NotAsExpected


class _Fixer(Protocol):
    """What every fixer's module has."""

    def fix(self, scene: Scene) -> Fix:
        """The edits that repair the statement."""
        ...


def find_fix(name: str, scene: Scene) -> Fix | NotFixed:
    """What the fixer of this name (one of `fixer_names()`) makes of the statement."""
    fixer = cast("_Fixer", importlib.import_module(f"{__name__}.{name}"))
    try:
        return fixer.fix(scene)
    except Refused as refused:
        return NotFixed(reason=str(refused))
    except (NotAsExpected, ValueError):
        return NotFixed(reason="the statement is written in a way that is not edited")
