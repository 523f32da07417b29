"""A script as it was found, before anything in it is read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One script: `path` is what reports call it.

    `problem` says why its bytes are not SQL text; `problem_at` is the offset in `text`, which then has
    replacement characters. `in_transaction` is whether the tool that runs it opens a transaction around
    it, None when that is not known.
    """

    path: str
    text: str
    problem: str = ""
    problem_at: int = 0
    in_transaction: bool | None = None
