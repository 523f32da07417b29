"""Writing reports to standard output: colours, odd characters, and a reader that goes away."""

import io
import os
import sys


def wants_color() -> bool:
    """Whether control codes are welcome: on a terminal, and without NO_COLOR (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write_report(text: str) -> None:
    """Writes the report. A reader that stops reading (`| head`) is no error; the exit code stays true."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at exit; give it something that accepts it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
