"""What is remembered of one run: its findings by script, and its reports as they were written."""

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migsafe.config.words import FailOn
from migsafe.lint.cache.keys import Keys, digest_of, keys_of
from migsafe.lint.cache.place import OFF, cache_folder
from migsafe.lint.request import LintRequest
from migsafe.sources.model import Source

if TYPE_CHECKING:
    from migsafe.lint.cache.store import Store
    from migsafe.lint.model import LintReport

_LEVEL = 1  # of compression: reports repeat themselves so much that more effort gains nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A report as it was written, and how many findings it has of each severity."""

    text: str
    errors: int
    warnings: int

    def fails(self, least: FailOn) -> bool:
        """Whether a finding is at least this severe."""
        match least:
            case FailOn.ERROR:
                return self.errors > 0
            case FailOn.WARNING:
                return self.errors + self.warnings > 0
            case FailOn.NEVER:
                return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The store, and the keys of one run."""

    request: LintRequest
    sources: Sequence[Source]
    keys: Keys
    store: "Store"

    def lint(self) -> "LintReport":
        """What `lint_paths` finds; only what is not known is judged.

        Raises:
            UsageError: The configuration names what does not exist.
            SqlError: A statement of the schema file was not understood.
        """
        from migsafe.lint.cache.findings import lint_with  # noqa: PLC0415 -- a report that is known needs none

        return lint_with(self.store, self.keys, self.request, self.sources)

    def recall(self, looks: Sequence[str]) -> list[Shown] | None:
        """The reports in these looks (the format and all that shapes it), None if one is not known."""
        keys = [self._key(look) for look in looks]
        found = self.store.get(keys)
        shown = [_shown(found[key]) for key in keys if key in found]
        done = [each for each in shown if each is not None]
        return done if len(done) == len(looks) else None

    def remember(self, reports: Mapping[str, Shown]) -> None:
        """Keeps reports, by their looks."""
        self.store.put({self._key(look): _as_bytes(shown) for look, shown in reports.items()})

    def _key(self, look: str) -> bytes:
        return digest_of(self.keys.report, b"report", look.encode(errors="surrogatepass"))


def open_memory(request: LintRequest, sources: Sequence[Source]) -> Memory | None:
    """The memory of a run; None when there is none, or nobody wants one (MIGSAFE_NO_CACHE is set).

    It is to be closed: `memory.store.close()`.
    """
    if os.environ.get(OFF):
        return None
    keys = keys_of(request, sources)
    folder = cache_folder() if keys is not None else None
    if keys is None or folder is None:
        return None
    try:
        from migsafe.lint.cache.store import Store  # noqa: PLC0415 -- a Python may come without SQLite
    except ImportError:
        return None
    return Memory(request=request, sources=sources, keys=keys, store=Store(folder))


def _as_bytes(shown: Shown) -> bytes:
    head = f"{shown.errors} {shown.warnings}\n".encode()
    return head + zlib.compress(shown.text.encode(errors="surrogatepass"), _LEVEL)


def _shown(data: bytes) -> Shown | None:
    head, _, packed = data.partition(b"\n")
    try:
        errors, warnings = map(int, head.split())
        text = zlib.decompress(packed).decode(errors="surrogatepass")
    except (ValueError, zlib.error):
        return None
    return Shown(text=text, errors=errors, warnings=warnings)
