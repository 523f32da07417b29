"""Finds the configuration file: from the current folder upwards to the root of the repository."""

from dataclasses import dataclass
from pathlib import Path

from migsafe.errors import UsageError

OWN_NAME = "migsafe.toml"
SHARED_NAME = "pyproject.toml"
BASELINE_NAME = "migsafe-baseline.toml"
_MARKS = (".git", ".hg", ".jj")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file, what is in it, and where our keys stand there."""

    path: Path
    text: str
    table: tuple[str, ...]


def find_file(start: Path) -> Found | None:
    """The configuration file that holds in this folder, or None.

    The nearest folder that has one decides. A pyproject.toml counts only if it has a `[tool.migsafe]`.

    Raises:
        UsageError: One folder has both forms, or a file cannot be read.
    """
    for folder in (start, *start.parents):
        if found := own_or_shared(folder):
            return found
        if any((folder / mark).exists() for mark in _MARKS):
            return None
    return None


def own_or_shared(folder: Path) -> Found | None:
    """The configuration in this very folder, or None.

    Raises:
        UsageError: There are two, or a file cannot be read.
    """
    own, shared = _own(folder / OWN_NAME), _shared(folder / SHARED_NAME)
    if own and shared:
        raise UsageError(
            f"{folder}: both {OWN_NAME} and [tool.migsafe] in {SHARED_NAME}",
            advice="Keep one of them; or name the one that counts: --config FILE.",
        )
    return own or shared


def named_file(path: Path) -> Found:
    """The configuration in a file of any name; in pyproject.toml it is `[tool.migsafe]`.

    Raises:
        UsageError: It does not exist or cannot be read, or a pyproject.toml has no `[tool.migsafe]`.
    """
    if path.name == SHARED_NAME:
        if not path.is_file():
            raise UsageError(f"{path}: no such file", advice="Check the path after --config.")
        found = _shared(path)
        if found is None:
            raise UsageError(
                f"{path}: no [tool.migsafe] in it", advice="`migsafe init` writes a configuration."
            )
        return found
    found = _own(path)
    if found is None:
        raise UsageError(f"{path}: no such file", advice="Check the path after --config.")
    return found


def repository_root(start: Path) -> Path | None:
    """The folder of the repository that this folder is in, or None."""
    return next(
        (folder for folder in (start, *start.parents) if any((folder / mark).exists() for mark in _MARKS)),
        None,
    )


def _own(path: Path) -> Found | None:
    text = _read(path)
    return None if text is None else Found(path=path, text=text, table=())


def _shared(path: Path) -> Found | None:
    text = _read(path)
    # Most such files are not about us, and need not be read any further.
    if text is None or "migsafe" not in text:
        return None
    from migsafe.config.read import parse_toml  # noqa: PLC0415  # only a file that may be ours is parsed

    document = parse_toml(text, path.name)
    tool = document.get("tool")
    if isinstance(tool, dict) and "migsafe" in tool:
        return Found(path=path, text=text, table=("tool", "migsafe"))
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}", advice="Check its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text", advice="Save the file as UTF-8.") from error
