"""SQL files and folders of them: how they are found, read and sorted."""

import os
import re
from pathlib import Path

from migsafe.errors import UsageError
from migsafe.sources.model import Source

STDIN = "-"
NaturalKey = tuple[tuple[tuple[int, int, str], ...], ...]
_NUMBER = re.compile(r"(\d+)")


def read_file(path: Path) -> Source:
    """The script in one file.

    Raises:
        UsageError: It does not exist or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{display(path)}: cannot be read: {error.strerror}",
            advice="Check the path and its permissions.",
        ) from error
    return decode(data, path=display(path))


def natural_key(path: str) -> NaturalKey:
    """Sorts numbers in names by value, and everything else as text. The path has `/` between its parts."""
    return tuple(tuple(_piece(piece) for piece in _NUMBER.split(part) if piece) for part in path.split("/"))


def decode(data: bytes, *, path: str) -> Source:
    """The script in these bytes. Bytes that are not UTF-8, or hold a NUL, become a problem, not an error."""
    nul = data.find(b"\0")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", errors="replace")
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            problem = "the file is UTF-16, not UTF-8; save it as UTF-8"
        elif nul >= 0:
            problem = "the file is binary (it holds NUL bytes), not SQL text"
        else:
            problem = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        at = len(data[: error.start].decode("utf-8"))
        return Source(path=path, text=text, problem=problem, problem_at=at)
    if nul >= 0:
        problem = "the file holds a NUL character, which PostgreSQL does not accept in SQL"
        return Source(path=path, text=text, problem=problem, problem_at=text.find("\0"))
    return Source(path=path, text=text)


def _piece(piece: str) -> tuple[int, int, str]:
    return (0, int(piece), piece) if piece.isdecimal() and piece.isascii() else (1, 0, piece)


def walk(folder: Path) -> list[Path]:
    """All SQL files in a folder, hidden ones left out.

    Raises:
        UsageError: There are none.
    """
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(place)
        # What is no regular file (a broken link, a pipe) is not read.
        found += [
            inside / name
            for name in files
            if name.endswith(".sql") and not name.startswith(".") and os.path.isfile(f"{place}/{name}")  # noqa: PTH113 -- half the time, thousands of times
        ]
    if not found:
        raise UsageError(
            f"{folder.as_posix()}: no *.sql files in this folder",
            advice="Name the folder that holds the migrations, or the files themselves.",
        )
    return found


class RealPaths:
    """Where paths lead, symbolic links followed. Folders are looked at once, as long as this object lives."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: str) -> str:
        """The same as os.path.realpath."""
        folder, name = os.path.split(path)
        if name in {"", ".", ".."}:
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        whole = os.path.join(self._folders[folder], name)  # noqa: PTH118 -- text in, text out, thousands of times
        return os.path.realpath(whole) if os.path.islink(whole) else whole  # noqa: PTH114 -- the same


def display(path: Path) -> str:
    """The path as text that any output can carry: a file's name need not be UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", errors="replace")
