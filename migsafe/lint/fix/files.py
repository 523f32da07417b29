"""Writes repaired scripts back: whole files or nothing, byte for byte the same around the edits."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from migsafe.errors import UsageError
from migsafe.lint.fix.engine import Fixed, file_text
from migsafe.sources.sql_folder import STDIN


def write_fixed(scripts: Iterable[Fixed]) -> tuple[Path, ...]:
    """Replaces every file whose script changed; gives the files that were written.

    Each is replaced in one step and keeps its permissions; a link stays a link. Nothing is written when one
    of them is not what was read any more.

    Raises:
        UsageError: A file cannot be read or written, is not a file, or was changed meanwhile.
    """
    changed = [(_checked(script), script) for script in scripts if script.changed]
    for path, script in changed:
        try:
            _replace(path, script.text.encode("utf-8"))
        except OSError as error:
            raise UsageError(
                f"{script.source.path}: cannot be written: {error.strerror}",
                advice="Check the permissions of the file and its folder.",
            ) from error
    return tuple(path for path, _ in changed)


def _checked(script: Fixed) -> Path:
    shown = script.source.path
    if shown in {STDIN, "<stdin>"}:
        raise UsageError(
            "standard input cannot be fixed in place",
            advice="Use --diff-fix to see the changes, or name a file.",
        )
    path = Path(os.path.realpath(shown))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{shown}: cannot be read again: {error.strerror}", advice="Nothing was written."
        ) from error
    if data != file_text(script.source).encode("utf-8"):
        raise UsageError(
            f"{shown}: was changed while it was looked at", advice="Nothing was written; run it again."
        )
    return path


def _replace(path: Path, data: bytes) -> None:
    """The file's new content under its own name, in one step."""
    state = path.stat()
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        with suppress(OSError):  # only root may give a file away
            os.chown(draft, state.st_uid, state.st_gid)
        Path(draft).chmod(state.st_mode & 0o7777)
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise
