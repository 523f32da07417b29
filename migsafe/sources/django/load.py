"""A Django project's migrations as sources, as `sqlmigrate` would print them, without a database.

The project's settings and models are loaded in a process of its own. Where Django would ask the database
(for the name of a constraint, for its version), the answer is what Django itself would have made on an
empty one. https://docs.djangoproject.com/en/stable/ref/django-admin/#sqlmigrate
"""

from dataclasses import replace
from pathlib import Path

from migsafe.errors import UsageError
from migsafe.sources.model import Source
from migsafe.sources.project_python import Refusal, ask_project
from migsafe.sources.rendered import as_source
from migsafe.sources.settings import Direction, SourceKind, SourceSettings

_SERVER_VERSION = 180_000
_VARIABLES = "Set them in the shell, or under [[sources]] in migsafe.toml"


def load_django(settings: SourceSettings, manage: Path, direction: Direction) -> tuple[Source, ...]:
    """Every migration of every app, in the order in which `migrate` runs them on an empty database.

    Those of installed packages are context only.

    Raises:
        UsageError: The file is not there, or the project cannot be set up: why, where, and what to do.
    """
    if not manage.is_file():
        raise UsageError(
            f"{manage.as_posix()}: no such file", advice="Name the manage.py, or the folder it is in."
        )
    answer = ask_project(
        settings,
        {
            "tool": "django",
            "manage": str(manage.resolve()),
            "section": settings.section,
            "server_version": _SERVER_VERSION,
            "direction": direction.value,
        },
        folder=manage.resolve().parent,
    )
    if isinstance(answer, Refusal):
        raise _refused(answer, manage)
    return tuple(replace(as_source(each, SourceKind.DJANGO), judged=bool(each["is_own"])) for each in answer)


def _refused(answer: Refusal, manage: Path) -> UsageError:
    at = f" (at {answer.place})" if answer.place else ""
    name = manage.as_posix()
    match answer.kind:
        case "not-installed":
            return UsageError(
                f"{name}: Django or its PostgreSQL driver cannot be imported: {answer.message}",
                advice="Set `python` under [[sources]] in migsafe.toml to the interpreter of the project's "
                "environment.",
            )
        case "migrations":
            return UsageError(
                f"{name}: Django cannot read the migrations{at}: {answer.message}",
                advice="`manage.py makemigrations --check` must work.",
            )
        case _ if "DJANGO_SETTINGS_MODULE" in answer.message:
            return UsageError(
                f"{name}: it does not say which settings to load: {answer.message}",
                advice=f'{_VARIABLES}: environment = {{ DJANGO_SETTINGS_MODULE = "shop.settings" }}.',
            )
        case _:
            return UsageError(
                f"{name}: Django's settings could not be loaded{at}: {answer.message}",
                advice=f"Are there variables that they read and that are not set here? {_VARIABLES}: "
                'environment = { SECRET_KEY = "offline", DATABASE_URL = "postgresql://offline/offline" }. '
                "Nothing connects to what they name.",
            )
