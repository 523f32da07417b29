"""Lints a new revision as soon as `alembic revision` has written it.

Two ways. As a program, which shows its findings and lets Alembic go on; nothing is imported:

    [post_write_hooks]
    hooks = migsafe
    migsafe.type = exec
    migsafe.executable = migsafe
    migsafe.options = lint REVISION_SCRIPT_FILENAME

Or as a hook of Alembic's own, which also makes `alembic revision` fail; env.py then has the line
`import migsafe.integrations.alembic`, and the configuration (without `revision_environment`, env.py runs for
`--autogenerate` only, and Alembic knows of no such hook):

    [alembic]
    revision_environment = true

    [post_write_hooks]
    hooks = migsafe
    migsafe.type = migsafe
    migsafe.fail_on = error

The file stays either way. `process_revision_directives` would see the operations before they have a file,
and could name no place. https://alembic.sqlalchemy.org/en/latest/autogenerate.html#post-write-hooks
"""

import io
import os
import sys
from collections.abc import Mapping
from typing import Any

from alembic.script import write_hooks
from alembic.util import CommandError

from migsafe.config.read import load_config
from migsafe.config.words import FailOn
from migsafe.errors import MigsafeError
from migsafe.lint.model import Severity
from migsafe.lint.reports import View, render
from migsafe.lint.run import LintRequest, lint_paths

_FAILING = {FailOn.ERROR: (Severity.ERROR,), FailOn.WARNING: tuple(Severity), FailOn.NEVER: ()}


@write_hooks.register("migsafe")
def lint_revision(path: str | os.PathLike[str], options: Mapping[str, Any]) -> None:
    """Prints the findings in one revision to standard error.

    The option `fail_on` is error, warning or never; without it the configuration of migsafe says.

    Raises:
        CommandError: There are findings at or above `fail_on`, or the revision could not be judged.
    """
    try:
        config = load_config()
        report = lint_paths(LintRequest(paths=(os.fspath(path),), config=config), stdin=io.BytesIO())
        fail_on = FailOn(options["fail_on"]) if "fail_on" in options else config.fail_on
    except MigsafeError as error:
        raise CommandError(f"migsafe: {error}") from error
    except ValueError as error:
        raise CommandError(f"migsafe.fail_on: {error}; it is error, warning or never") from error
    sys.stderr.write(render(report, "text", View()))
    if any(report.count(severity) for severity in _FAILING[fail_on]):
        raise CommandError(
            f"migsafe found something unsafe in {os.fspath(path)}; the file is written: change it, or accept "
            "the finding with a comment"
        )
