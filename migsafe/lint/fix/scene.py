"""Where a statement stands: what is known before it, and what surrounds it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from migsafe.catalog.history import History
from migsafe.catalog.history import advance as advance_history
from migsafe.catalog.model import Catalog
from migsafe.catalog.passes import in_passes
from migsafe.catalog.session import next_transaction
from migsafe.effects.session import SessionState, start_session
from migsafe.effects.session import advance as advance_session
from migsafe.sources.model import Source
from migsafe.sql.names import Name
from migsafe.sql.operations import Begin, Commit, Operation, OtherStatement, Rollback
from migsafe.sql.script import ReadStatement, Script, read_script


@dataclass(frozen=True, slots=True, kw_only=True)
class FixSettings:
    """What a person may choose about fixes. The timeouts are written as PostgreSQL reads them."""

    lock_timeout: str = "2s"
    statement_timeout: str = "1min"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is known when a script starts.

    `settings` are in effect when the session starts; `wrapped`: the tool has begun a transaction.
    `server_version` is server_version_num, None when nobody said. `populated` are the materialized views
    that hold data.
    """

    catalog: Catalog = field(default_factory=Catalog)
    server_version: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    wrapped: bool = False
    populated: frozenset[Name] = frozenset()
    choices: FixSettings = field(default_factory=FixSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One statement of a script, by its index, with what is known before it runs.

    `begin` and `end` are the indexes of the BEGIN and of the statement that ends its transaction; None
    where the script has no such statement.
    """

    source: Source
    script: Script
    index: int
    catalog: Catalog
    session: SessionState
    before: Before
    populated: frozenset[Name]
    begin: int | None
    end: int | None

    @property
    def statement(self) -> ReadStatement:
        """The statement itself."""
        return self.script.statements[self.index]

    @property
    def text(self) -> str:
        """The whole script."""
        return self.script.text

    @property
    def file_text(self) -> str:
        """The file as people edit it: in `text`, what the tool does not run is blank."""
        return self.source.shown or self.source.text

    @property
    def in_tool_transaction(self) -> bool:
        """Whether the transaction it runs in is not one that the file itself begins."""
        if self.begin is None:
            return self.session.in_transaction
        begin = self.at(self.begin)
        return self.session.in_transaction and self.file_text[begin.start : begin.end] != begin.text

    def at(self, index: int) -> ReadStatement:
        """Another statement of the script."""
        return self.script.statements[index]


def scenes(source: Source, before: Before) -> tuple[Scene, ...]:
    """Every statement of the script where it stands."""
    script = read_script(source.text)
    found = list(_walk(source, script, before))
    return tuple(_ended(found))


def populated_after(source: Source, before: Before) -> frozenset[Name]:
    """The materialized views that hold data behind this script."""
    last = before.populated
    for scene in scenes(source, before):
        last = _populated(scene.populated, scene.statement, scene.catalog)
    return last


def _walk(source: Source, script: Script, before: Before) -> Iterator[Scene]:
    history = History(catalog=before.catalog)
    session = start_session(before.settings)
    if before.wrapped:
        session = advance_session(session, Begin())
    populated = before.populated
    begin: int | None = None
    for index, statement in enumerate(script.statements):
        if not history.in_transaction:
            history = replace(history, catalog=next_transaction(history.catalog))
        yield Scene(
            source=source,
            script=script,
            index=index,
            catalog=history.catalog,
            session=session,
            before=before,
            populated=populated,
            begin=begin if session.in_transaction else None,
            end=None,
        )
        populated = _populated(populated, statement, history.catalog)
        was_open = session.in_transaction
        for operation in in_passes(statement.operations):
            session = advance_session(session, operation)
            history = advance_history(history, operation, script=source.path)
        if session.in_transaction and not was_open:
            begin = index
        elif any(_ends(operation) for operation in statement.operations):
            begin = index if session.in_transaction else None


def _ended(found: list[Scene]) -> Iterator[Scene]:
    """The scenes, each with where its transaction ends."""
    end: int | None = None
    ended: list[Scene] = []
    for scene in reversed(found):
        if any(_ends(operation) for operation in scene.statement.operations):
            end = scene.index
        ended.append(replace(scene, end=end) if scene.session.in_transaction else scene)
    return reversed(ended)


def _ends(operation: Operation) -> bool:
    return isinstance(operation, Commit) or (
        isinstance(operation, Rollback) and operation.to_savepoint is None
    )


def _populated(known: frozenset[Name], statement: ReadStatement, catalog: Catalog) -> frozenset[Name]:
    for operation in statement.operations:
        match operation:
            case OtherStatement(
                tag="CREATE MATERIALIZED VIEW" | "REFRESH MATERIALIZED VIEW", target=Name() as view
            ):
                empty = statement.text.lower().replace("\n", " ").rstrip().endswith("with no data")
                name = catalog.resolve(view)
                known = known - {name} if empty else known | {name}
            case _:
                pass
    return known
