"""What fixes change, as a unified diff that `patch` and `git apply` take."""

import difflib
import re
from collections.abc import Iterable, Iterator

from migsafe.lint.fix.engine import Fixed, file_text

_NO_END = "\\ No newline at end of file\n"
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def unified_diff(scripts: Iterable[Fixed]) -> str:
    """The changes of all scripts; empty when there are none."""
    return "".join(line for script in scripts if script.changed for line in _diff(script))


def _diff(script: Fixed) -> Iterator[str]:
    path = script.source.path
    old, new = (f"{side}/{path.lstrip('/')}" for side in "ab")
    # Lines end at \n alone, as for patch: a \r stays a part of its line.
    lines = difflib.unified_diff(
        _LINE.findall(file_text(script.source)), _LINE.findall(script.text), old, new
    )
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n{_NO_END}"
