"""A plugin of Alembic 1.18 and later: `--autogenerate` splits what is unsafe into revisions.

Alembic loads it by the entry point `alembic.plugins` of this package, in the middle of its own import:
nothing of Alembic, and nothing big, may be imported here. It does something only where a project asks for it:

    context.configure(..., autogenerate_plugins=["alembic.autogenerate.*", "migsafe"])

https://alembic.sqlalchemy.org/en/latest/api/plugins.html
"""

from typing import Any


def setup(plugin: Any) -> None:
    """Take part in the comparison of the models with the database, as the last one."""
    plugin.add_autogenerate_comparator(_plan_what_was_found, "autogenerate")


def _plan_what_was_found(autogen_context: Any, *_more: Any) -> Any:
    """Ask to see the revisions once they are complete; nothing is compared here."""
    from alembic.util import PriorityDispatchResult  # noqa: PLC0415 -- once Alembic is there

    from migsafe.integrations.alembic.autogenerate import ask_to_split  # noqa: PLC0415 -- the same

    ask_to_split(autogen_context.migration_context)
    return PriorityDispatchResult.CONTINUE
