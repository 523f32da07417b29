"""Goes through one script for nothing but the schema that it leaves."""

from dataclasses import dataclass, replace
from itertools import groupby

from migsafe.catalog.history import History, advance
from migsafe.catalog.model import Catalog
from migsafe.catalog.passes import in_passes
from migsafe.catalog.session import next_transaction
from migsafe.effects.model import Lock
from migsafe.lint.session import Session
from migsafe.sources.model import Source
from migsafe.sql import operations as ops
from migsafe.sql.operations import Operation
from migsafe.sql.script import Part, ReadStatement, Script


def follow(source: Source, script: Script, catalog: Catalog, *, wrapped: bool) -> Catalog:
    """The schema behind a script that a tool runs in a transaction, if `wrapped`; it was read already."""
    follower = Follower(source.path, History(catalog=catalog), Session({}, wrapped=wrapped))
    follower.script_of(script, source, wrapped=wrapped)
    return follower.catalog


@dataclass(slots=True)
class Follower:
    """The state while going through one script; `script` is its name in the catalog."""

    script: str
    history: History
    session: Session

    @property
    def catalog(self) -> Catalog:
        """The schema as it is now."""
        return self.history.catalog

    def script_of(self, script: Script, source: Source, *, wrapped: bool) -> None:
        """Goes through all statements; a source may hold several scripts, one behind the other."""
        if wrapped:
            self.history = advance(self.history, ops.Begin())
        for statement in script.statements:
            if source.parts:
                self.begin(source.script_at(statement.start))
            self.statement(statement)

    def begin(self, script: str) -> None:
        """Goes into this script."""
        self.script = script

    def statement(self, statement: ReadStatement) -> None:
        """Goes behind a statement; those inside of a DO block run one by one, in one transaction."""
        if not statement.is_block:
            self.single(statement)
            return
        alone = self.session.transaction is None
        if alone:
            self.go_on(ops.Begin())
        for _, parts in groupby(statement.parts, key=lambda part: (part.start, part.end)):
            self.single(_inner(statement, tuple(parts)))
        if alone:
            self.go_on(ops.Commit())

    def single(self, statement: ReadStatement) -> None:
        """Goes behind a statement's operations in the order in which PostgreSQL carries them out."""
        if self.session.transaction is None:
            self.history = replace(self.history, catalog=next_transaction(self.catalog))
        replayed = {id(part.operation): part.replayed for part in statement.parts}
        for operation in in_passes(statement.operations):
            self.go_on(replayed[id(operation)])

    def go_on(self, operation: Operation, locks: tuple[Lock, ...] = ()) -> None:
        """Goes behind the operation, which took these locks."""
        self.session.apply(operation, locks=locks)
        self.history = advance(self.history, operation, script=self.script)


def _inner(block: ReadStatement, parts: tuple[Part, ...]) -> ReadStatement:
    """A statement inside of a DO block, as if it stood alone."""
    start, end = parts[0].start, parts[0].end
    at = block.source.start
    text = block.source.text[start - at : end - at]
    return ReadStatement(source=replace(block.source, text=text, start=start, end=end), parts=parts)
