"""The operating system account that a scratch server runs under.

PostgreSQL refuses to run as root. As root, an unprivileged account runs it, and the programs are copied
to a place that this account can reach when theirs is not: no directory of the user is opened to others.
"""

import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from migsafe.postgres.binaries import Binaries

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id; None when the current user runs the server itself."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Give a path of ours to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    @property
    def popen_options(self) -> dict[str, object]:
        """Arguments for subprocess that switch to the account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account() -> Account:
    """The account for servers: ourselves, or as root an unprivileged one."""
    if os.geteuid() != 0:
        return Account()
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return Account(65534, 65534)


def reachable(binaries: Binaries, account: Account) -> Binaries:
    """The binaries where the account may run them: a copy in the temporary directory if need be."""
    if account.uid is None or _others_may_reach(binaries.directory):
        return binaries
    installation = binaries.directory.parent
    stamp = int((binaries.directory / "postgres").stat().st_mtime)
    home = temporary_root() / f"migsafe-postgres-{binaries.major}-{stamp}"
    if not home.exists():
        draft = Path(tempfile.mkdtemp(prefix="migsafe-postgres-", dir=temporary_root()))
        shutil.copytree(installation, draft / "copy", symlinks=True)
        draft.chmod(0o755)
        _publish(draft / "copy", home)
        shutil.rmtree(draft, ignore_errors=True)
    return Binaries(home / "bin", binaries.major)


def _publish(copy: Path, home: Path) -> None:
    copy.chmod(0o755)
    try:
        copy.rename(home)
    except OSError:
        if not home.exists():  # else another process published the same copy first
            raise


def temporary_root() -> Path:
    """The temporary directory that every account can reach, e.g. where TMPDIR is private to root."""
    preferred = Path(tempfile.gettempdir())
    if os.geteuid() != 0 or _others_may_reach(preferred):
        return preferred
    return Path("/var/tmp")  # noqa: S108 - mkdtemp makes a private directory in it


def _others_may_reach(path: Path) -> bool:
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))
