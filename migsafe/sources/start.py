"""`start_after`: where the part of a history begins that is judged."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from migsafe.errors import UsageError
from migsafe.sources.model import Source
from migsafe.sources.settings import Direction

_SHORTEST_REVISION = 4


def after_start(sources: Sequence[Source], name: str, direction: Direction) -> list[Source]:
    """The sources in their order; the named one and all that run before it (going forward) are context.

    Raises:
        UsageError: No source has this name.
    """
    if not name:
        return list(sources)
    found = [at for at, source in enumerate(sources) if is_named(source, name)]
    if not found:
        raise _unknown(sources, name)
    if direction is Direction.UP:
        return [replace(source, judged=source.judged and at > found[-1]) for at, source in enumerate(sources)]
    return [replace(source, judged=source.judged and at < found[0]) for at, source in enumerate(sources)]


def is_named(source: Source, name: str) -> bool:
    """Whether a source is meant: by path, file name, the tool's revision, or the number in its file name."""
    path = PurePath(source.path)
    if name in {source.path, path.name, path.stem, source.revision} or source.path.endswith(f"/{name}"):
        return True
    if len(name) >= _SHORTEST_REVISION and source.revision.startswith(name):
        return True
    number = re.match(r"V?(\d+)", path.name)
    return bool(number and name.isdecimal() and int(number[1]) == int(name))


def _unknown(sources: Sequence[Source], name: str) -> UsageError:
    import difflib  # noqa: PLC0415 -- seldom needed, and slow to import

    names = [source.revision or PurePath(source.path).name for source in sources]
    near = difflib.get_close_matches(name, [*names, *(PurePath(source.path).name for source in sources)], n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    where = f"; there are {names[0]} to {names[-1]}" if names else ""
    return UsageError(
        f"start_after = {name!r}: no migration of this source has that name",
        advice=f"{hint}It is a revision, a version, a file's name, or a path{where}.",
    )
