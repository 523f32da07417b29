"""Who a process is, so that another one can tell whether it still lives."""

import getpass
import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process, told apart from every other, also from a later one with the same number.

    `boot` and `namespace` tell machines and containers apart that share a host name.
    """

    host: str
    pid: int
    started: str
    boot: str
    namespace: str
    user: str

    def to_json(self) -> dict[str, object]:
        """For the ledger."""
        return asdict(self)

    def __str__(self) -> str:
        """For people: `pid 123 of anna on db-admin-1`."""
        return f"pid {self.pid} of {self.user} on {self.host}"


def this_process() -> Process:
    """The process that asks."""
    return Process(
        host=socket.gethostname(),
        pid=os.getpid(),
        started=_started(os.getpid()) or "",
        boot=_read(Path("/proc/sys/kernel/random/boot_id")),
        namespace=_namespace(),
        user=_user(),
    )


def is_surely_dead(process: Process, *, here: Process) -> bool:
    """Whether the process is gone for certain. False when it may live: on another host nobody can tell."""
    if (process.host, process.boot, process.namespace) != (here.host, here.boot, here.namespace):
        return False
    return _started(process.pid) != process.started


def _started(pid: int) -> str | None:
    """A stamp of the process's start that no later process shares; None when there is none, or a zombie.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (fields 3 and 22)
    """
    if not sys.platform.startswith("linux"):
        return _started_by_ps(pid)
    # The second field is the program's name in parentheses and may hold anything, so count from its end.
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return None if not fields or fields[0] in "ZX" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    found = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return str(os.getuid())


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
