"""Options that several commands have, said once."""

from typing import Any

import typer

PATHS: Any = typer.Argument(
    None,
    metavar="PATH",
    help="SQL files, folders, alembic.ini, manage.py, or -; without any, all configured sources.",
)
TRANSACTION: Any = typer.Option(
    None,
    "--transaction",
    help="Whether your tool opens a transaction around each script; auto: only what the script says.",
)
STDIN_FILENAME: Any = typer.Option(
    "",
    "--stdin-filename",
    metavar="PATH",
    help="The name of what standard input brings, for its settings and its place.",
)
CONFIG: Any = typer.Option("", "--config", metavar="FILE", help="The configuration; else it is looked for.")
ISOLATED: Any = typer.Option(False, "--isolated", help="Look for no configuration.")
