"""Keys: digests of everything that a result depends on, so that a key that is known is an answer that holds.

A script's findings depend on the program, the settings, and all scripts up to and including itself: the
keys are a chain. Whether an earlier script is judged does not matter to a later one, unless all of them
are one release.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from operator import attrgetter
from pathlib import Path

from migsafe.lint.cache.program import program_digest
from migsafe.lint.request import LintRequest
from migsafe.sources.model import Source

_SIZE = 16  # bytes: no two inputs of one user will ever share a digest
_CONTENT = attrgetter(*(field.name for field in fields(Source) if field.name != "judged"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """One key for each source, in order, and one for the report of the whole run."""

    scripts: tuple[bytes, ...]
    report: bytes


def keys_of(request: LintRequest, sources: Sequence[Source]) -> Keys | None:
    """The keys of a run, or None when nobody can say whether the answer of a former run still holds.

    That is so with a live server's catalog, and when a file that matters cannot be read.
    """
    if request.catalog is not None:
        return None
    try:
        start = start_key(request, program_digest())
    except OSError:
        return None
    return chained(start, sources, one_release=bool(request.diff))


def start_key(request: LintRequest, program: bytes) -> bytes:
    """What all scripts of a run depend on: program, schema before the first script, configuration, flags.

    Raises:
        OSError: The file with the schema cannot be read.
    """
    schema = Path(request.schema_file).read_bytes() if request.schema_file else None
    # What the sources are is in the scripts themselves; what is in the file is in the fields.
    config = replace(request.config, sources=(), text="", baseline="")
    return digest_of(program, repr((config, schema)).encode())


def chained(start: bytes, sources: Sequence[Source], *, one_release: bool) -> Keys:
    """The keys of these scripts behind a start."""
    keys: list[bytes] = []
    key = start
    for source in sources:
        key = digest_of(key, repr(_CONTENT(source)).encode())
        keys.append(key)
    judged = bytes(source.judged for source in sources)
    report = digest_of(key, judged, b"release" if one_release else b"")
    if one_release:
        keys = [digest_of(report, b"%d" % number) for number in range(len(sources))]
    return Keys(scripts=tuple(keys), report=report)


def digest_of(*parts: bytes) -> bytes:
    """A digest of these parts, each with its length, so that no other parts have the same."""
    digest = blake2b(digest_size=_SIZE)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()
