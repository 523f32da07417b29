"""A digest of everything that decides what is found, besides the scripts and the settings: our own code.

An installed package lists its files with their digests (RECORD); a checkout is asked for the sizes and
times of its files, so that a change of a rule or of the code is seen at once. Nothing is imported for it.
"""

import os
import sys
from collections.abc import Iterator
from hashlib import blake2b
from importlib.machinery import PathFinder
from pathlib import Path

import migsafe

_CODE = (".py", ".so", ".pyd", ".sql", ".toml", ".txt", ".json")
_PARSER = "sqlglot"  # and sqlglotc, its compiled part


def program_digest(package: Path | None = None) -> bytes:
    """The digest of migsafe, of its rules, of sqlglot in the build that is installed, and of Python.

    Raises:
        OSError: The files cannot be looked at (they may be in an archive).
    """
    package = package or Path(migsafe.__file__).parent
    digest = blake2b(digest_size=16)
    for part in (*_versions(), *_own(package), *_parser()):
        digest.update(part)
        digest.update(b"\0")
    return digest.digest()


def _versions() -> Iterator[bytes]:
    yield migsafe.__version__.encode()
    # Which characters are letters, and how wide they are, depends on the version of Python.
    yield ".".join(map(str, sys.version_info[:2])).encode()


def _own(package: Path) -> Iterator[bytes]:
    record = package.parent / f"migsafe-{migsafe.__version__}.dist-info" / "RECORD"
    if record.exists():
        yield record.read_bytes()
        return
    for folder in (package, package.parent / "rules"):
        yield from _stamps(folder)


def _parser() -> Iterator[bytes]:
    found = PathFinder.find_spec(_PARSER)
    if found is None or found.origin is None:
        raise FileNotFoundError(_PARSER)
    folder = Path(found.origin).parent
    site = folder.parent
    names = sorted(name for name in os.listdir(site) if name.startswith(_PARSER))  # noqa: PTH208 -- only names
    records = [site / name / "RECORD" for name in names if name.endswith(".dist-info")]
    if not records:
        yield from _stamps(folder)
    for record in records:
        yield record.read_bytes()
    # sqlglot looks at these to choose its tokenizer.
    for name in sorted(os.environ):
        if name.startswith(_PARSER.upper()):
            yield f"{name}={os.environ[name]}".encode(errors="surrogateescape")


def _stamps(folder: Path) -> Iterator[bytes]:
    """Name, size and time of every file of code below the folder, in order."""
    pending = [str(folder)]
    while pending:
        place = pending.pop()
        found: list[tuple[str, int, int]] = []
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.endswith(_CODE):
                    status = entry.stat()
                    found.append((entry.name, status.st_size, status.st_mtime_ns))
                elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                    pending.append(entry.path)
        found.sort()
        pending.sort()
        yield repr((os.path.relpath(place, folder), found)).encode(errors="surrogateescape")
