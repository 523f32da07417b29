"""A whole script, read: the way in for everybody outside this package."""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.sql.operations import Operation, Unread
from migsafe.sql.read import Part, read_parts
from migsafe.sql.split import Comment, Statement, StatementKind, split, split_lazily

__all__ = [
    "Comment",
    "Part",
    "ReadStatement",
    "Script",
    "Statement",
    "StatementKind",
    "read_lazily",
    "read_script",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatement:
    """A statement and what it asks for: one operation or more.

    `parts` are the same operations with their offsets in the script: the statements inside of a DO block
    have their own, and know whether they may also not run.
    """

    source: Statement
    parts: tuple[Part, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What the statement asks for, in order; never empty."""
        return tuple(part.operation for part in self.parts)

    @property
    def replayed(self) -> tuple[Operation, ...]:
        """The operations for who follows the schema: what may also not run is asked for IF [NOT] EXISTS."""
        return tuple(part.replayed for part in self.parts)

    @property
    def is_block(self) -> bool:
        """Whether the operations are those inside of a DO block, which all run in one transaction."""
        return self.source.text[:2].lower() == "do" and not self.unread

    @property
    def conditional(self) -> bool:
        """Whether some of it may also not run, as a DO block decides while it runs."""
        return any(part.conditional for part in self.parts)

    @property
    def text(self) -> str:
        """The statement without what stands around it."""
        return self.source.text

    @property
    def start(self) -> int:
        """The offset of its first character in the script."""
        return self.source.start

    @property
    def end(self) -> int:
        """The offset behind its last character."""
        return self.source.end

    @property
    def unread(self) -> Unread | None:
        """Why it was not understood, or None when it was."""
        first = self.parts[0].operation
        return first if isinstance(first, Unread) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script's text, its statements in order, and all its comments."""

    text: str
    statements: tuple[ReadStatement, ...]
    comments: tuple[Comment, ...]


def read_lazily(text: str) -> Iterator[ReadStatement]:
    """Reads a script statement by statement, and keeps none: for dumps of hundreds of megabytes."""
    for statement in split_lazily(text):
        yield ReadStatement(source=statement, parts=read_parts(statement))


def read_script(text: str) -> Script:
    """Reads a script. Any text is accepted; what is not understood says so in its own statement."""
    parts = split(text)
    return Script(
        text=text,
        statements=tuple(
            ReadStatement(source=statement, parts=read_parts(statement)) for statement in parts.statements
        ),
        comments=parts.comments,
    )
