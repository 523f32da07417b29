"""The operating system account that a scratch server runs under.

PostgreSQL refuses to run as root. As root, an unprivileged account runs it, and the programs are copied
to a place that this account can reach when theirs is not: no directory of the user is opened to others.
"""

import os
import pwd
import shutil
import stat
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
    top = _top(binaries.directory)
    size = (
        (binaries.directory / "postgres").stat().st_size
    )  # tells builds apart, and is the same for each install
    home = temporary_root() / f"migsafe-postgres-{binaries.major}-{size}"
    if not _is_ours(home):
        draft = Path(tempfile.mkdtemp(prefix="migsafe-postgres-", dir=temporary_root()))
        for part in (top, _libraries(top)):
            if part.is_dir():
                shutil.copytree(part, draft / part.name, symlinks=True)
        home = _publish(draft, home)
    return Binaries(home / top.name / binaries.directory.relative_to(top), binaries.major)


def _is_ours(home: Path) -> bool:
    """Whether the copy is there and nobody else could have put anything into it."""
    try:
        found = home.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _top(directory: Path) -> Path:
    """The folder that holds all of an installation: for a wheel's, the one with its libraries beside it."""
    return next((each for each in directory.parents if _libraries(each).is_dir()), directory.parent)


def _libraries(package: Path) -> Path:
    """Where a repaired wheel has the shared libraries of this package."""
    return package.with_name(f"{package.name}.libs")


def _publish(draft: Path, home: Path) -> Path:
    """Give the copy its lasting name; where somebody else has that name, it keeps its own."""
    draft.chmod(0o755)
    try:
        draft.rename(home)
    except OSError:
        if not _is_ours(home):
            return draft
        shutil.rmtree(draft, ignore_errors=True)  # another process published the same copy first
    return home


def temporary_root() -> Path:
    """The temporary directory that every account can reach, e.g. where TMPDIR is private to root."""
    preferred = Path(tempfile.gettempdir())
    if os.geteuid() != 0 or _others_may_reach(preferred):
        return preferred
    return Path("/var/tmp")  # noqa: S108 - mkdtemp makes a private directory in it


def _others_may_reach(path: Path) -> bool:
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))
