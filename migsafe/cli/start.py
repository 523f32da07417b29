"""Where the program `migsafe` starts: plain runs of `lint` go around Typer, everything else through it."""

import gc
import sys

from migsafe.cli.quick import lint_arguments
from migsafe.errors import MigsafeError

EXIT_ERROR = 2
# What lint makes has no cycles that a collector could find, yet looking for them took a sixth of its time.
FEW_COLLECTIONS = (100_000, 20, 100)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 findings or a gate that failed, 2 could not judge or act.
    """
    given = lint_arguments(sys.argv[1:])
    if given is None:
        from migsafe.cli.main import main as whole

        whole()
        return
    gc.set_threshold(*FEW_COLLECTIONS)
    try:
        from migsafe.cli.lint_run import run_lint

        sys.exit(run_lint(**given))
    except MigsafeError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(EXIT_ERROR)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_ERROR)
