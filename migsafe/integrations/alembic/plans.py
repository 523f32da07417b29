"""The plan that a revision names: found beside the revision, and compared with the SQL that it repeats."""

import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from migsafe.errors import PlanError
from migsafe.integrations.revisions.sql import sql_of
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import load_plan

if TYPE_CHECKING:
    from types import FrameType


def find_plan(name: str) -> Path:
    """The plan file of this name: beside the revision that is running, else from the current folder.

    Raises:
        PlanError: There is none.
    """
    beside = [folder / name for folder in _folders_of_callers()]
    found = next((path for path in (*beside, Path(name)) if path.is_file()), None)
    if found is None:
        raise PlanError(
            f"there is no plan {name}" + (f" in {beside[0].parent}" if beside else ""),
            advice="A plan file stands beside the revision that names it, and is committed with it.",
        )
    return found


def load_compared(name: str, sql: Mapping[str, str] | None, stages: tuple[Stage, ...]) -> Plan:
    """The plan of this name. The SQL that a revision repeats must be that of the plan's steps to `stages`.

    Raises:
        PlanError: There is no such plan, or one of them was changed since the revision was written.
    """
    path = find_plan(name)
    plan = load_plan(path)
    if sql is None:
        return plan
    steps = {step.id: sql_of(step) for step in plan.steps if step.stage in stages}
    for key in dict.fromkeys((*steps, *sql)):
        if _plain(steps.get(key, "")) != _plain(sql.get(key, "")):
            raise PlanError(
                f"the revision and its plan {path.name} do not say the same about the step '{key}'",
                advice="The plan is what counts: edit it, then write its revisions again with "
                "`migsafe plan REVISION --revisions`. Nothing was run.",
            )
    return plan


def _plain(sql: str) -> str:
    return textwrap.dedent(sql).strip()


def _folders_of_callers() -> list[Path]:
    """The folders of the revisions that are running, the innermost first."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 -- Alembic tells an operation nothing about its revision
    found: list[Path] = []
    while frame is not None:
        names = frame.f_globals
        if "down_revision" in names and isinstance(names.get("__file__"), str):
            found.append(Path(names["__file__"]).resolve().parent)
        frame = frame.f_back
    return list(dict.fromkeys(found))
