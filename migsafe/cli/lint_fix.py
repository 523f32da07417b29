"""`migsafe lint --fix` and `--diff-fix`: repairs files, or shows how."""

import sys
from collections.abc import Sequence

import typer

from migsafe.cli.output import write_report
from migsafe.config.model import Config
from migsafe.lint.accepted import BaselineRequest, acceptance
from migsafe.lint.fix.paths import fix_paths
from migsafe.lint.fix.scene import FixSettings
from migsafe.lint.model import LintReport


def fix_or_show(
    paths: Sequence[str],
    *,
    schema: str,
    config: Config,
    lock_timeout: str,
    write: bool,
    baseline: BaselineRequest,
) -> LintReport:
    """Repairs the files and gives what is left; or prints the changes and gives what was found.

    Raises:
        UsageError: A path cannot be read, or a file cannot be written.
        SqlError: A statement of the schema file was not understood.
    """
    done = fix_paths(
        paths,
        stdin=sys.stdin.buffer,
        schema=schema,
        config=config,
        choices=FixSettings(lock_timeout=lock_timeout),
        accept=acceptance(baseline, config),
    )
    if not write:
        write_report(done.diff)
        return done.before
    files = done.write()
    found = "finding" if len(done.fixed) == 1 else "findings"
    typer.echo(f"Fixed {len(done.fixed)} {found} in {files} {'file' if files == 1 else 'files'}.", err=True)
    return done.after
