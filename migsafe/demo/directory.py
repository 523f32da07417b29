"""The one temporary directory of a demo."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from migsafe.postgres.account import temporary_root

# A shell waits for our end of a pipe to close, which the kernel does even after SIGKILL; the parts
# of the demo end the same way and get a moment to do so.
_REMOVE = 'cat >/dev/null; for pause in 1 2 3; do sleep "$pause"; rm -rf "$1"; done'


@contextlib.contextmanager
def working_directory(*, keep: bool) -> Iterator[Path]:
    """A directory that is gone afterwards, even when this process is killed; with `keep` it stays."""
    path = Path(tempfile.mkdtemp(prefix="migsafe-demo-", dir=temporary_root()))
    if os.geteuid() == 0:
        path.chmod(0o711)  # the server's account passes through; it cannot list
    if keep:
        yield path
        return
    reader, writer = os.pipe()
    watchdog = subprocess.Popen(
        ["sh", "-c", _REMOVE, "migsafe-demo-watchdog", str(path)],
        stdin=reader,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(reader)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            watchdog.kill()
        os.close(writer)
        watchdog.wait()


@contextlib.contextmanager
def one_interrupt() -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or SIGHUP raises KeyboardInterrupt; later ones are ignored.

    So an impatient person does not disturb the cleaning up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
