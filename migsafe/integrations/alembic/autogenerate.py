"""`alembic revision --autogenerate` that plans what it finds, and writes revisions that carry the plan out.

Three ways to ask for it: `autogenerate = true` in [tool.migsafe.alembic], with `protect` in env.py; the
plugin `migsafe` in `autogenerate_plugins` (Alembic 1.18 and later); or in env.py

    context.configure(..., process_revision_directives=split_revisions())

What needs no rollout, or has no recipe, stays the revision that Alembic would have written.
https://alembic.sqlalchemy.org/en/latest/api/autogenerate.html#customizing-revision-generation
"""

import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import Operations
from alembic.operations.ops import (
    DowngradeOps,
    MigrateOperation,
    MigrationScript,
    OpContainer,
    UpgradeOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from migsafe.catalog.live import read_catalog
from migsafe.config.model import AlembicSettings
from migsafe.config.read import load_config
from migsafe.errors import MigsafeError, PlanError
from migsafe.integrations.alembic.database import database_of
from migsafe.integrations.revisions.body import downgrade_lines, upgrade_lines
from migsafe.integrations.revisions.drafts import Draft, link
from migsafe.integrations.revisions.project import Revision
from migsafe.integrations.revisions.read import named
from migsafe.plan.model import Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.toml.file import dump_plan
from migsafe.run.connect import connect
from migsafe.sources.model import Source

log = logging.getLogger("alembic.migsafe")
_NEW = "the new revision"
Hook = Callable[[MigrationContext, Any, list[MigrationScript]], None]


class PythonOp(MigrateOperation):
    """Lines of Python that are written into a revision as they are, and the plan that they name."""

    def __init__(self, lines: list[str], *, path: Path, plan: str) -> None:
        self.lines, self.path, self.plan = lines, path, plan

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """For `alembic check`: that there is something to do."""
        return ("migsafe_plan", self.path.name)


@renderers.dispatch_for(PythonOp)
def _rendered(_context: AutogenContext, operation: PythonOp) -> list[str]:
    operation.path.write_text(operation.plan, encoding="utf-8")
    return ["\n".join(operation.lines)]


def split_revisions(settings: AlembicSettings | None = None, other: Hook | None = None) -> Hook:
    """A hook for `process_revision_directives`; the project's `other` one runs before it.

    Raises:
        CommandError: The configuration is wrong, or the database cannot be read.
    """

    def hook(context: MigrationContext, revision: Any, directives: list[MigrationScript]) -> None:
        if other is not None:
            other(context, revision, directives)
        if len(directives) != 1 or len(directives[0].upgrade_ops_list) != 1:
            return  # several databases, or somebody else's idea of it
        if not directives[0].upgrade_ops_list[0].is_empty():
            try:
                _split(context, directives, settings or load_config().alembic)
            except MigsafeError as error:
                raise CommandError(f"migsafe: {error}") from error

    vars(hook)["is_of_migsafe"] = True
    return hook


def ask_to_split(context: MigrationContext) -> None:
    """Put the hook behind the project's own, once."""
    known = context.opts.get("process_revision_directives")
    if not getattr(known, "is_of_migsafe", False):
        context.opts["process_revision_directives"] = split_revisions(other=known)


@dataclass(frozen=True, slots=True)
class _Found:
    """What autogenerate found, planned."""

    script: MigrationScript
    plan: Plan
    path: Path


def _split(context: MigrationContext, directives: list[MigrationScript], settings: AlembicSettings) -> None:
    script, connection, directory = directives[0], context.connection, context.script
    if connection is None or directory is None or script.rev_id is None:
        return
    text = sql_of_operations(script.upgrade_ops_list[0])
    with connect(database_of(connection)) as own:
        catalog = read_catalog(own)
    try:
        options = named(PlanOptions(), text, catalog, revision=script.rev_id, file=_NEW)
        plan = plan_migration(text, catalog, options, file=_NEW)
    except PlanError as error:
        log.info("the new revision stays as it is: %s", error)
        return
    folder = Path(script.version_path or directory.versions)
    found = _Found(script, plan, folder / f"{plan.name}.plan.toml")
    revisions = tuple(_known(directory))
    naive = _revision(script.rev_id, tuple(_heads(directory, script)), is_head=True)
    directives[:] = [_directive(found, draft, settings) for draft in link(plan, naive, revisions, settings)]


def sql_of_operations(operations: OpContainer) -> str:
    """The SQL of what autogenerate found, as `alembic upgrade --sql` would show it."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},
        opts={"as_sql": True, "literal_binds": True, "output_buffer": written},
    )
    target = Operations(context)
    for operation in _flat(operations):
        target.invoke(operation)
    return written.getvalue()


def _flat(operations: OpContainer) -> Iterator[MigrateOperation]:
    for operation in operations.ops:
        if isinstance(operation, OpContainer):
            yield from _flat(operation)
        else:
            yield operation


def _directive(found: _Found, draft: Draft, settings: AlembicSettings) -> MigrationScript:
    path, part, script = found.path, draft.part, found.script
    name = f'"{path.name}"'
    up = upgrade_lines(found.plan, part, plan_name="migsafe_plan", inline_sql=settings.inline_sql)
    down = downgrade_lines(found.plan, part, plan_name="migsafe_plan")
    text = dump_plan(found.plan)
    return MigrationScript(
        rev_id=draft.id,
        message=f"{script.message or 'planned'}: {part.kind}",
        upgrade_ops=UpgradeOps([PythonOp(up, path=path, plan=text)]),
        downgrade_ops=DowngradeOps([PythonOp(down, path=path, plan=text)]),
        # Every template has a place for imports at its top, and nothing else of ours.
        imports={
            "import migsafe.integrations.alembic  # noqa: F401",
            f'migsafe_phase = "{part.phase}"',
            f"migsafe_plan = {name}",
            f'migsafe_stage = "{part.stages[-1]}"',
        },
        head=draft.down[0] if draft.down else "base",
        splice=True,  # the contract branch begins where the expand branch does
        branch_label=list(draft.labels) or None,
        version_path=script.version_path,
        depends_on=list(draft.depends_on) or None,
    )


def _heads(directory: ScriptDirectory, script: MigrationScript) -> Iterator[str]:
    for each in directory.get_revisions(script.head or "head"):
        if each is not None:
            yield each.revision


def _known(directory: ScriptDirectory) -> Iterator[Revision]:
    heads = set(directory.get_heads())
    for each in directory.walk_revisions():
        yield _revision(
            each.revision,
            tuple(each._versioned_down_revisions),  # noqa: SLF001 -- a tuple, whatever the file says
            labels=frozenset(each.branch_labels),
            is_head=each.revision in heads,
        )


def _revision(
    id_: str, down: tuple[str, ...], *, labels: frozenset[str] = frozenset(), is_head: bool
) -> Revision:
    return Revision(
        id=id_,
        path=Path(),
        source=Source(path="", text=""),
        down=down,
        depends_on=(),
        labels=labels,
        own_labels=(),
        is_head=is_head,
        is_asked=False,
    )
