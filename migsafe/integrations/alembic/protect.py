"""Makes an existing env.py careful: two lines before it runs the migrations.

    from migsafe.integrations.alembic import protect
    protect(context)

Every revision then has a transaction of its own, asks for its locks with a short lock_timeout, and is tried
again, with jitter, when they are not free (55P03), or when the server cancels it for a deadlock or a
serialization failure (40P01, 40001). What CONCURRENTLY left behind half-way is cleared away first. A contract
revision that names its plan is refused before its time.
https://alembic.sqlalchemy.org/en/latest/api/runtime.html#the-environment-context
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import wraps
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from migsafe.config.model import AlembicSettings
from migsafe.config.read import load_config
from migsafe.errors import MigsafeError
from migsafe.integrations.alembic.attempts import Attempts
from migsafe.integrations.alembic.autogenerate import split_revisions
from migsafe.integrations.alembic.concurrently import Concurrently
from migsafe.integrations.alembic.contract import refuse_early

_UNSET: Any = object()


def protect(
    context: Any,
    *,
    lock_timeout: float = _UNSET,
    statement_timeout: float | None = _UNSET,
    idle_timeout: float | None = _UNSET,
    attempts: int = _UNSET,
) -> None:
    """Protect whatever this run of Alembic does. Times are in seconds; the configuration has the defaults.

    Args:
        context: `alembic.context`, as every env.py imports it.
        lock_timeout: How long one statement waits for a lock, before its transaction is rolled back.
        statement_timeout: How long one statement may take; None: as the server says.
        idle_timeout: How long a transaction may do nothing; None: as the server says.
        attempts: How often the transaction of a revision is tried.

    Raises:
        CommandError: The configuration is wrong.
    """
    environment: EnvironmentContext = getattr(context, "_proxy", None) or context
    given: dict[str, Any] = {
        "lock_timeout": lock_timeout,
        "statement_timeout": statement_timeout,
        "idle_timeout": idle_timeout,
        "attempts": attempts,
    }
    try:
        settings = load_config().alembic
    except MigsafeError as error:
        raise CommandError(f"migsafe: {error}") from error
    settings = replace(settings, **{key: value for key, value in given.items() if value is not _UNSET})
    _wrap_configure(environment, settings)


def _wrap_configure(environment: EnvironmentContext, settings: AlembicSettings) -> None:
    configure = environment.configure

    def configured(*arguments: Any, **named: Any) -> None:
        # One transaction for all would hold the locks of the first revision until the last one is done.
        named["transaction_per_migration"] = True
        if settings.autogenerate:
            named["process_revision_directives"] = split_revisions(
                settings, named.get("process_revision_directives")
            )
        configure(*arguments, **named)
        _protect(environment.get_context(), settings)

    vars(environment)["configure"] = configured  # of this one environment


def _protect(context: MigrationContext, settings: AlembicSettings) -> None:
    migrations: Any = context._migrations_fn  # noqa: SLF001 -- there is no public hook around one revision
    if migrations is None or context.dialect.name != "postgresql":
        return
    attempts = Attempts(context, settings)
    concurrently = Concurrently(context)

    def guarded(heads: tuple[str, ...], found: MigrationContext) -> Iterable[Any]:
        context.opts["migsafe_began_empty"] = not heads and not context.as_sql
        for step in migrations(heads, found):
            if getattr(step, "is_upgrade", None) is not None and hasattr(step, "revision"):
                _wrap_step(step, context, attempts)
            yield step

    context._migrations_fn = guarded  # noqa: SLF001 -- the same
    concurrently.watch()


def _wrap_step(step: Any, context: MigrationContext, attempts: Attempts) -> None:
    function = step.migration_fn

    @wraps(function)  # Alembic's log says its name: upgrade or downgrade
    def run(**arguments: Any) -> None:
        if step.is_upgrade:
            refuse_early(context, step.revision)
        attempts.run(lambda: function(**arguments), str(step.revision.revision))

    step.migration_fn = run
