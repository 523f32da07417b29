"""Other people's programs, asked in a process of their own: git, Alembic's env.py, Django's settings."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from migsafe.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a program ended and what it said."""

    code: int
    output: bytes
    errors: str


def ask(
    arguments: Sequence[str],
    *,
    folder: Path,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    given: bytes = b"",
) -> Answer:
    """Runs a program to its end; `timeout` is in seconds, `given` its standard input.

    Raises:
        UsageError: There is no such program, or it took too long (it is then killed).
    """
    try:
        done = subprocess.run(
            list(arguments),
            cwd=folder,
            input=given,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    except FileNotFoundError as error:
        raise UsageError(
            f"{arguments[0]}: there is no such program", advice="Install it, or name it by its full path."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"{' '.join(arguments[:2])} did not answer within {timeout:g} seconds",
            advice="Raise `timeout` of this source if it needs more; it may also wait for a database.",
        ) from error
    return Answer(code=done.returncode, output=done.stdout, errors=done.stderr.decode("utf-8", "replace"))
