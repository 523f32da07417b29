"""The `migsafe` command: puts the commands together and turns errors into exit codes."""

import sys

import typer

from migsafe import __version__
from migsafe.cli.config import config
from migsafe.cli.control import cancel, pause, retreat, revert, undo
from migsafe.cli.demo import demo
from migsafe.cli.explain import explain
from migsafe.cli.fleet import fleet
from migsafe.cli.forecast import forecast
from migsafe.cli.init import init
from migsafe.cli.lint import lint
from migsafe.cli.lsp import lsp
from migsafe.cli.plan import plan
from migsafe.cli.rules import rules
from migsafe.cli.run import contract, run
from migsafe.cli.set import set_value
from migsafe.cli.status import status
from migsafe.cli.verify import verify
from migsafe.cli.waive import waive
from migsafe.cli.work import work
from migsafe.errors import MigsafeError

EXIT_OK, EXIT_FINDINGS, EXIT_ERROR = 0, 1, 2

app = typer.Typer(
    name="migsafe",
    help="PostgreSQL schema changes that are safe while the application keeps serving traffic.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"migsafe {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", callback=_version, is_eager=True
    ),
) -> None:
    """Lint, plan, run and roll out schema changes."""
    del version


app.command()(config)
app.command()(explain)
app.command()(init)
app.command()(lint)
app.command()(lsp)
app.command(context_settings={"allow_extra_args": True})(plan)  # to say what to do with several files
app.command()(rules)
app.command()(verify)
app.command()(demo)
app.command()(forecast)
app.command()(run)
app.command("resume", help="Go on with a rollout that was paused or interrupted: the same as `run`.")(run)
app.command()(work)
app.command()(status)
app.command("set")(set_value)
app.command()(pause)
app.command()(retreat)
app.command()(revert)
app.command()(cancel)
app.command()(undo)
app.command()(waive)
app.command()(contract)
app.add_typer(fleet, name="fleet")


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 findings or a gate that failed, 2 could not judge or act.
    """
    try:
        app()
    except MigsafeError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_ERROR)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_ERROR)


if __name__ == "__main__":
    main()
