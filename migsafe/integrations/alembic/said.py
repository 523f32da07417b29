"""What only a person can know, and says with `alembic -x WORD upgrade ...` or a variable."""

import os
from dataclasses import dataclass

from alembic.runtime.migration import MigrationContext

OLD_VERSION_GONE = "old-version-gone"
NEW_VERSION_GONE = "new-version-gone"
NO_APPLICATION = "no-application"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """`no_application`: nobody uses this database, so nothing has to wait for anybody.

    It is taken for granted when the database was empty as this run of Alembic began.
    """

    old_version_gone: bool = False
    new_version_gone: bool = False
    no_application: bool = False


def said(context: MigrationContext) -> Said:
    """What was said for this run of Alembic."""
    environment = context.environment_context
    words = [] if environment is None else environment.get_x_argument()

    def is_said(word: str) -> bool:
        variable = f"MIGSAFE_{word.upper().replace('-', '_')}"
        return word in words or os.environ.get(variable, "") not in {"", "0"}

    return Said(
        old_version_gone=is_said(OLD_VERSION_GONE),
        new_version_gone=is_said(NEW_VERSION_GONE),
        no_application=is_said(NO_APPLICATION) or began_empty(context),
    )


def began_empty(context: MigrationContext) -> bool:
    """Whether no revision was applied when this run began (`protect` notes it)."""
    return bool(context.opts.get("migsafe_began_empty"))
