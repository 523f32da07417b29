"""An Alembic project's revisions as sources.

The project's env.py runs, offline, in a process of its own: it decides on transactions and on what a
revision sees. With `run_env = false` it does not, and the revisions are rendered as Alembic would without
it. https://alembic.sqlalchemy.org/en/latest/offline.html
"""

import configparser
import tomllib
from pathlib import Path
from typing import Any

from migsafe.errors import UsageError
from migsafe.sources.model import Source
from migsafe.sources.project_python import Refusal, ask_project
from migsafe.sources.rendered import as_source
from migsafe.sources.settings import Direction, SourceKind, SourceSettings


def load_alembic(settings: SourceSettings, config: Path, direction: Direction) -> tuple[Source, ...]:
    """Every revision in the order in which Alembic runs them, branches and merges included.

    Raises:
        UsageError: The file is not there, or the project cannot be rendered: why, where, and what to do.
    """
    return tuple(
        as_source(revision, SourceKind.ALEMBIC) for revision in ask_alembic(settings, config, direction)
    )


def ask_alembic(
    settings: SourceSettings, config: Path, direction: Direction, *, asked: str = ""
) -> list[dict[str, Any]]:
    """The same as the project's Python describes it (see inside/alembic_project.py).

    `asked` names revisions in any form that Alembic knows (head, expand@head, the start of an id); they are
    marked in the answer.

    Raises:
        UsageError: As load_alembic; or Alembic does not know what is asked for.
    """
    if not config.is_file():
        raise UsageError(
            f"{config.as_posix()}: no such file", advice="Name the alembic.ini, or the folder it is in."
        )
    location = script_location(config, settings.section)
    # Flask-Migrate keeps its alembic.ini beside env.py, says the rest in code, and runs one folder above.
    is_beside = not location and (config.parent / "env.py").is_file()
    folder = config.resolve().parent.parent if is_beside else _folder(config, location)
    answer = ask_project(
        settings,
        {
            "tool": "alembic",
            "config": str(config.resolve()),
            "section": settings.section,
            "script_location": str(config.parent.resolve()) if is_beside else "",
            "arguments": list(settings.arguments),
            "direction": direction.value,
            "run_env": settings.run_env,
            "asked": asked,
        },
        folder=folder,
    )
    if isinstance(answer, Refusal):
        raise _refused(answer, config)
    return answer


def script_location(config: Path, section: str) -> str:
    """Where the configuration says the scripts are, as it says it; "" when it does not."""
    text = config.read_text(encoding="utf-8", errors="replace")
    if config.suffix == ".toml":
        try:
            table = tomllib.loads(text).get("tool", {}).get("alembic", {})
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{config.as_posix()}: {error}") from error
        return str(table.get("script_location", ""))
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        message = " ".join(str(error).split())
        raise UsageError(f"{config.as_posix()}: {message}", advice="Fix the file.") from error
    return parser.get(section or "alembic", "script_location", fallback="")


def _folder(config: Path, location: str) -> Path:
    """The folder that Alembic is started in: the file's own, unless its paths only fit the current one."""
    relative = location and "%(here)s" not in location and ":" not in location
    if relative and not (config.parent / location).exists() and Path(location).exists():
        return Path.cwd()
    return config.parent


def _refused(answer: Refusal, config: Path) -> UsageError:
    at = f" (at {answer.place})" if answer.place else ""
    name = config.as_posix()
    match answer.kind:
        case "not-installed":
            return UsageError(
                f"{name}: Alembic cannot be imported: {answer.message}",
                advice="Set `python` under [[sources]] in migsafe.toml to the interpreter of the project's "
                "environment.",
            )
        case "scripts":
            return UsageError(
                f"{name}: Alembic cannot read the revisions{at}: {answer.message}",
                advice="`alembic history` must work: check script_location, and that `python` of this source "
                "is the interpreter that has the project's packages.",
            )
        case "asked":
            return UsageError(
                f"{name}: {answer.message}",
                advice="`alembic history` lists the revisions; `head` is the last one, with branches "
                "`expand@head`.",
            )
        case "no-run":
            return UsageError(
                f"{name}: {answer.message} when it was run offline",
                advice="Let it run the migrations in offline mode too, or set `run_env = false` for this "
                "source.",
            )
        case _:
            return UsageError(
                f"{name}: env.py failed when it was run offline{at}: {answer.message}",
                advice="If it reads environment variables, set them in the shell or under [[sources]] in "
                "migsafe.toml, for example "
                'environment = { DATABASE_URL = "postgresql://offline/offline" }. If it connects or '
                "needs the whole application, set `run_env = false`: the revisions are then rendered "
                "without it.",
            )
