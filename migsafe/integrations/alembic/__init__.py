"""migsafe inside Alembic: what env.py, revisions and `alembic revision` use.

Two lines in an env.py, before it runs the migrations, make every revision careful with locks and guard the
contract revisions (see `protect`):

    from migsafe.integrations.alembic import protect
    protect(context)

Importing this registers `op.migsafe_plan` and `op.migsafe_backfill` for revisions and the post-write hook
`migsafe` (see `lint_hook`).
"""

from migsafe.integrations.alembic.lint_hook import lint_revision
from migsafe.integrations.alembic.operations import BackfillOp, PlanOp
from migsafe.integrations.alembic.protect import protect

__all__ = ["BackfillOp", "PlanOp", "lint_revision", "protect"]
