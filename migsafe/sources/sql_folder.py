"""SQL files and folders of them, in migration order."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from migsafe.errors import UsageError
from migsafe.sources.model import Source

STDIN = "-"
_NUMBER = re.compile(r"(\d+)")


def read_sources(paths: Sequence[str], *, stdin: BinaryIO) -> tuple[Source, ...]:
    """The scripts behind these paths: files, folders (walked for *.sql) and `-` for standard input.

    Files of one folder come in migration order, whatever the order they are named in; each comes once.

    Raises:
        UsageError: A path does not exist or cannot be read, or a folder holds no SQL files.
    """
    if not paths:
        raise UsageError(
            "no files to lint",
            advice="Name SQL files or folders of them, for example `migsafe lint migrations/`; "
            "`-` reads standard input.",
        )
    from_stdin = [decode(stdin.read(), path="<stdin>")] if STDIN in paths else []
    files = in_order(path for path in paths if path != STDIN)
    return (*(read_file(path) for path in files), *from_stdin)


def read_file(path: Path) -> Source:
    """The script in one file.

    Raises:
        UsageError: It does not exist or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{_display(path)}: cannot be read: {error.strerror}",
            advice="Check the path and its permissions.",
        ) from error
    return decode(data, path=_display(path))


def in_order(paths: Iterable[str]) -> tuple[Path, ...]:
    """All SQL files behind these paths in migration order: 2.sql before 10.sql, folders as given.

    Raises:
        UsageError: A path does not exist, or a folder holds no SQL files.
    """
    groups: dict[Path, list[Path]] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            groups.setdefault(path, []).extend(_walk(path))
        elif path.exists():
            groups.setdefault(path.parent, []).append(path)
        else:
            raise UsageError(f"{given}: no such file or folder", advice="Check the path.")
    ordered = (path for found in groups.values() for path in sorted(found, key=natural_key))
    return tuple({path.resolve(): path for path in ordered}.values())


def natural_key(path: Path) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Sorts numbers in names by value, and everything else as text."""
    return tuple(tuple(_piece(piece) for piece in _NUMBER.split(part) if piece) for part in path.parts)


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


def _walk(folder: Path) -> list[Path]:
    found = [
        path
        for path in folder.rglob("*.sql")
        if path.is_file() and not _is_hidden(path.relative_to(folder)) and not path.name.endswith(".down.sql")
    ]
    if not found:
        raise UsageError(
            f"{folder.as_posix()}: no *.sql files in this folder",
            advice="Name the folder that holds the migrations, or the files themselves.",
        )
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _display(path: Path) -> str:
    """The path as text that any output can carry: a file's name need not be UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", errors="replace")
