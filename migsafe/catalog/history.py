"""A catalog from the scripts that made it, with transactions: what is rolled back did not happen."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from migsafe.catalog.model import Catalog
from migsafe.catalog.passes import in_passes
from migsafe.catalog.replay import apply
from migsafe.catalog.session import apply_setting, committed, new_session, next_transaction
from migsafe.errors import SqlError
from migsafe.sql.operations import (
    Begin,
    Commit,
    CreateTable,
    Operation,
    ResetSetting,
    Rollback,
    Savepoint,
    SetSetting,
)
from migsafe.sql.position import Lines
from migsafe.sql.script import Script, read_script


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A catalog in the middle of a script: also what to go back to.

    `wrapped` says whether somebody else runs the script in a transaction. Outside any, SET LOCAL does
    nothing; as long as nobody says so, it is taken to mean what it was written for.
    """

    catalog: Catalog = field(default_factory=Catalog)
    at_begin: Catalog | None = None
    savepoints: tuple[tuple[str, Catalog], ...] = ()
    wrapped: bool | None = None

    @property
    def in_transaction(self) -> bool:
        """Whether BEGIN was seen and its end was not."""
        return self.at_begin is not None


def advance(  # noqa: PLR0911 -- one flat table: operation, what it does to the history
    history: History, operation: Operation, *, script: str | None = None
) -> History:
    """The history after one more operation."""
    match operation:
        case Begin():
            if history.in_transaction:
                return history
            begun = next_transaction(history.catalog)
            return replace(history, at_begin=begun, catalog=begun)
        case Commit():
            return History(catalog=committed(history.catalog), wrapped=history.wrapped)
        case Rollback(to_savepoint=None):
            # Outside a transaction ROLLBACK undoes nothing.
            if history.at_begin is None:
                return History(catalog=history.catalog, wrapped=history.wrapped)
            return History(catalog=next_transaction(history.at_begin), wrapped=history.wrapped)
        case Rollback(to_savepoint=name):
            return _back_to(history, name or "")
        case Savepoint(name=name, release=False):
            return replace(history, savepoints=(*history.savepoints, (name, history.catalog)))
        case Savepoint(name=name):
            return replace(history, savepoints=history.savepoints[: _find(history, name)])
        case SetSetting(local=True) if history.wrapped is False and not history.in_transaction:
            return history
        case SetSetting() | ResetSetting():
            return replace(history, catalog=apply_setting(history.catalog, operation))
        case _:
            return replace(history, catalog=apply(history.catalog, operation, script=script))


def replay(scripts: Iterable[tuple[str | None, Script]], catalog: Catalog | None = None) -> Catalog:
    """The catalog after all scripts, each with its name; a transaction left open counts as committed.

    Each script has a session of its own: its search_path and its temporary tables end with it.
    """
    history = History(catalog=catalog if catalog is not None else Catalog())
    for name, script in scripts:
        for statement in script.statements:
            if not history.in_transaction:
                history = replace(history, catalog=next_transaction(history.catalog))
            for operation in in_passes(statement.replayed):
                history = advance(history, operation, script=name)
        history = History(catalog=new_session(history.catalog))
    return history.catalog


def load_schema(text: str, *, source: str = "the schema", server_version: int | None = None) -> Catalog:
    """The catalog of a whole schema, such as pg_dump --schema-only writes.

    Raises:
        SqlError: A statement cannot be read, so that nobody can say what the schema is; or no table is made.
    """
    script = read_script(text)
    lines = Lines(text)
    for statement in script.statements:
        if statement.unread:
            line = lines.position(statement.start).line
            raise SqlError(
                f"{source}, line {line}: {statement.unread.reason}",
                advice="Take the statement out of the file, or write it as PostgreSQL reads it.",
            )
    if not any(isinstance(o, CreateTable) for s in script.statements for o in s.operations):
        raise SqlError(
            f"{source} creates no table.", advice="Make the file with: pg_dump --schema-only DATABASE"
        )
    return replay([(None, script)], Catalog(complete=True, server_version=server_version))


def _find(history: History, name: str) -> int:
    """Where the latest savepoint of this name stands; behind the last one when there is none."""
    for index in range(len(history.savepoints) - 1, -1, -1):
        if history.savepoints[index][0] == name:
            return index
    return len(history.savepoints)


def _back_to(history: History, name: str) -> History:
    index = _find(history, name)
    if index == len(history.savepoints):
        return history
    return replace(
        history,
        catalog=history.savepoints[index][1],
        savepoints=history.savepoints[: index + 1],
    )
