"""Cleans up after this process when it dies without a chance to do so itself, as by SIGKILL."""

import contextlib
import os
import subprocess
from collections.abc import Iterator


@contextlib.contextmanager
def when_we_die(script: str, *arguments: object) -> Iterator[None]:
    """Have a shell run the script, with `$1` and so on, should this process die before the block ends.

    When the block ends by itself, however it does, the script is not run.
    """
    # The shell waits for our end of a pipe to close, which the kernel does however a process ends.
    reader, writer = os.pipe()
    watchdog = subprocess.Popen(
        ["sh", "-c", f"cat >/dev/null; {script}", "migsafe-watchdog", *map(str, arguments)],
        stdin=reader,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(reader)
    try:
        yield
    finally:
        watchdog.kill()
        watchdog.wait()
        os.close(writer)
