"""`migsafe lint --fix` and `--diff-fix`: repairs files, or shows how."""

import sys

import typer

from migsafe.cli.output import write_report
from migsafe.lint.accepted import BaselineRequest, acceptance
from migsafe.lint.fix.paths import fix_paths
from migsafe.lint.fix.scene import FixSettings
from migsafe.lint.model import LintReport
from migsafe.lint.run import LintRequest


def fix_or_show(
    request: LintRequest, accepted: BaselineRequest, *, lock_timeout: str, write: bool
) -> LintReport:
    """Repairs the files and gives what is left; or prints the changes and gives what was found.

    Raises:
        UsageError: A path cannot be read, or a file cannot be written.
        SqlError: A statement of the schema file was not understood.
    """
    done = fix_paths(
        request,
        stdin=sys.stdin.buffer,
        choices=FixSettings(lock_timeout=lock_timeout),
        accept=acceptance(accepted, request.config),
    )
    if not write:
        write_report(done.diff)
        return done.before
    files = done.write()
    found = "finding" if len(done.fixed) == 1 else "findings"
    typer.echo(f"Fixed {len(done.fixed)} {found} in {files} {'file' if files == 1 else 'files'}.", err=True)
    return done.after
