"""The files of the revisions that carry out a plan."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from migsafe.config.model import AlembicSettings
from migsafe.errors import UsageError
from migsafe.integrations.revisions.body import downgrade_lines, quoted, upgrade_lines
from migsafe.integrations.revisions.drafts import Draft, link
from migsafe.integrations.revisions.project import Revision
from migsafe.plan.model import Plan

_TITLES = {
    "expand": "expand: the new shape beside the old one, filled and verified",
    "backfill": "backfill",
    "verify": "verify",
    "contract": "contract: the old shape is renamed, when no old version of the application is left",
    "drop": "drop: the old shape goes, when it was kept for long enough",
}
_DOCSTRING = re.compile(r'\A\s*[rR]?("""|\'\'\')(?P<text>.*?)\1', re.DOTALL)


@dataclass(frozen=True, slots=True)
class File:
    """What is to be written, and which revision it is."""

    path: Path
    text: str
    draft: Draft


def revision_files(
    plan: Plan,
    plan_path: Path,
    naive: Revision,
    revisions: tuple[Revision, ...],
    settings: AlembicSettings,
) -> tuple[File, ...]:
    """The files for a plan that stands beside the revision that it was made from. Nothing is written."""
    known = {each.id: each.path for each in revisions}
    message = _message(naive)
    files = []
    for number, draft in enumerate(link(plan, naive, revisions, settings)):
        path = known.get(draft.id) or naive.path.with_name(f"{naive.path.stem}_{draft.part.kind}.py")
        if number and draft.id not in known and path.exists():
            raise UsageError(f"{path} exists already", advice="Rename it, then run this again.")
        text = "\n".join(_lines(plan, plan_path.name, draft, f"{message}: {draft.part.kind}", settings))
        files.append(File(path, text + "\n", draft))
    return tuple(files)


def write(files: Sequence[File]) -> None:
    """Write them, those that others build on first.

    Raises:
        UsageError: One cannot be written.
    """
    for file in files:
        try:
            file.path.write_text(file.text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{file.path} cannot be written: {error.strerror}") from None


def _lines(
    plan: Plan, plan_name: str, draft: Draft, message: str, settings: AlembicSettings
) -> Iterator[str]:
    part = draft.part
    yield f'"""{message}'
    yield ""
    yield _TITLES[part.kind][0].upper() + _TITLES[part.kind][1:] + "."
    yield f"Its plan is {plan_name}."
    yield "To change it, edit the plan and write the revisions again: migsafe plan REVISION --revisions"
    yield ""
    yield f"Revision ID: {draft.id}"
    yield f"Revises: {', '.join(draft.down)}"
    yield '"""'
    yield ""
    yield "from collections.abc import Sequence"
    yield ""
    yield "from alembic import op"
    yield ""
    yield "import migsafe.integrations.alembic  # noqa: F401 -- op.migsafe_plan, op.migsafe_backfill"
    yield ""
    yield f"revision: str = {quoted(draft.id)}"
    yield f"down_revision: str | Sequence[str] | None = {_one_or_more(draft.down)}"
    yield f"branch_labels: str | Sequence[str] | None = {_one_or_more(draft.labels)}"
    yield f"depends_on: str | Sequence[str] | None = {_one_or_more(draft.depends_on)}"
    yield ""
    yield f"migsafe_phase = {quoted(part.phase)}"
    yield f"migsafe_plan = {quoted(plan_name)}"
    yield f"migsafe_stage = {quoted(part.stages[-1])}"
    up = upgrade_lines(plan, part, plan_name="migsafe_plan", inline_sql=settings.inline_sql)
    down = downgrade_lines(plan, part, plan_name="migsafe_plan")
    for name, body in (("upgrade", up), ("downgrade", down)):
        yield from ("", "", f"def {name}() -> None:")
        yield from (f"    {line}" if line else "" for line in body)


def _one_or_more(names: tuple[str, ...]) -> str:
    if not names:
        return "None"
    return quoted(names[0]) if len(names) == 1 else f"({', '.join(map(quoted, names))})"


def _message(naive: Revision) -> str:
    found = _DOCSTRING.match(naive.source.shown)
    first = found["text"].strip().splitlines()[:1] if found else []
    text = first[0] if first else naive.path.stem
    return re.sub(r": (?:expand|contract)$", "", text).replace("\\", "").replace('"', "'")
