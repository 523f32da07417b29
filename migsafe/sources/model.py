"""A script as it was found, before anything in it is read."""

from bisect import bisect_right
from dataclasses import dataclass

PLAN = "migsafe plan"  # the tool of a source that is a step of a plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The characters `start` to `end` of a source's text come from a place of the file that people edit.

    Lines and columns are 1-based, `end_column` is exclusive; `end_line` 0 means that only the start is
    known. `copied` ranges are in that file character by character, so a place inside the range is a place
    inside the file; any other range (SQL that a Python call rendered) stands for its place as a whole.
    """

    start: int
    end: int
    path: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0
    copied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceProblem:
    """A part of a migration that could not be made into SQL: why, and where in `path`.

    `at` is the offset in the source's text where it would stand; what people say about it in comments
    stands right before that.
    """

    message: str
    path: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One script: `path` is what reports call it.

    `problem` says why its bytes are not SQL text; `problem_at` is the offset in `text`, which then has
    replacement characters. `in_transaction` is whether the tool that runs it opens a transaction around
    it, None when that is not known. `shows_transactions`: the text holds the BEGIN and COMMIT that the tool
    sends, so it opens no other, whatever is configured. `settings` are set for the session before it runs.

    A source that is not `judged` is context only: the scripts behind it see its schema, and nothing in it
    is reported. `phase` is what the source itself declares ("" when nothing). `revision` is the tool's own
    name for it, `tool` the kind of source it came from.

    `origins`, in order and without overlap, say where `text` comes from when it is not the file's own text
    offset by offset; it is the file's own when there are none, so that an edit of `text` is an edit of the
    file. `shown` is the text of the file at `path` where it is not `text` itself. `problems` are the parts
    that are not in `text` because they could not be rendered.

    `parts` are the offsets in `text` where something begins that is deployed on its own, such as a changeset:
    what an earlier part of the file made may be in use by then. There are none in a file that runs as one.
    """

    path: str
    text: str
    problem: str = ""
    problem_at: int = 0
    in_transaction: bool | None = None
    shows_transactions: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    judged: bool = True
    phase: str = ""
    revision: str = ""
    tool: str = "sql"
    origins: tuple[Origin, ...] = ()
    shown: str = ""
    problems: tuple[SourceProblem, ...] = ()
    parts: tuple[int, ...] = ()

    def script_at(self, offset: int) -> str:
        """The name of the script that the statement at this offset belongs to: the path, or a part of it."""
        number = bisect_right(self.parts, offset)
        return f"{self.path}#{number}" if number > 1 else self.path
