"""Where the cache is: a folder of the user's own, which nobody else can write to."""

import os
import stat
from pathlib import Path

OFF = "MIGSAFE_NO_CACHE"
FOLDER = "migsafe"


def cache_folder() -> Path | None:
    """`$XDG_CACHE_HOME/migsafe`, else `~/.cache/migsafe`, made if need be; None when there can be none.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the specification: a relative path is invalid and is ignored
        base = Path(os.path.expanduser("~/.cache"))  # noqa: PTH111 -- Path.expanduser raises without a home
        if not base.is_absolute():
            return None
    folder = base / FOLDER
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder if _is_ours(folder) else None
    except OSError:
        return None


def _is_ours(folder: Path) -> bool:
    """Whether only this user can put something there: findings from elsewhere would be believed."""
    if os.name == "nt":
        return folder.is_dir()
    user = os.geteuid()
    link, target = folder.lstat(), folder.stat()
    is_private = not target.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return link.st_uid == user and target.st_uid == user and is_private and stat.S_ISDIR(target.st_mode)
