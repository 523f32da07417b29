"""The guard of `protect`: a contract revision that names its rollout is refused before its time."""

from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.util import CommandError

from migsafe.errors import MigsafeError, UsageError
from migsafe.integrations.alembic.database import database_of
from migsafe.integrations.alembic.guard import require_ready
from migsafe.integrations.alembic.said import said
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import load_plan
from migsafe.run.connect import connect
from migsafe.suggest import did_you_mean

_STAGES = (Stage.TOMBSTONED, Stage.DROPPED)


def refuse_early(context: MigrationContext, revision: Script) -> None:
    """Refuse a revision whose `migsafe_stage` is tombstoned or dropped as long as its rollout is not there.

    It names the rollout by `migsafe_plan` (a plan file beside it) or `migsafe_rollout` (the name).

    Raises:
        CommandError: It is too early, or the revision's own words cannot be understood.
    """
    module = revision.module
    stage = getattr(module, "migsafe_stage", None)
    if stage is None or context.as_sql or context.connection is None:
        return
    try:
        if stage not in set(Stage):
            raise UsageError(
                f"migsafe_stage = {stage!r}: unknown stage{did_you_mean(str(stage), tuple(Stage))}"
            )
        words = said(context)
        if Stage(stage) not in _STAGES or words.no_application:
            return
        name = _rollout(revision)
        with connect(database_of(context.connection)) as conn:
            require_ready(conn, name, Stage(stage), old_version_gone=words.old_version_gone)
    except MigsafeError as error:
        raise CommandError(f"migsafe: revision {revision.revision} is refused: {error}") from error


def _rollout(revision: Script) -> str:
    name = getattr(revision.module, "migsafe_rollout", None)
    if isinstance(name, str):
        return name
    file = getattr(revision.module, "migsafe_plan", None)
    if not isinstance(file, str):
        raise UsageError(
            "it has a migsafe_stage and names no rollout",
            advice='Add migsafe_plan = "FILE.plan.toml", or migsafe_rollout = "NAME".',
        )
    return load_plan(Path(revision.path).resolve().parent / file).name
