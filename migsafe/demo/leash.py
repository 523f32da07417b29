"""Ends a child process together with its parent, even when the parent is killed with SIGKILL."""

import os
import threading
from collections.abc import Callable

STDIN = 0


def follow_parent(on_line: Callable[[str], None] = lambda _line: None) -> None:
    """Exit at once when standard input closes; give every line that arrives before that to `on_line`.

    The parent holds the other end of the pipe. The kernel closes it however the parent ends.
    """

    def watch() -> None:
        # Not sys.stdin: its lock, held by a waiting thread, is fatal when the interpreter ends.
        rest = b""
        while chunk := os.read(STDIN, 4096):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                on_line(line.decode(errors="replace"))
        os._exit(0)

    threading.Thread(target=watch, name="leash", daemon=True).start()
