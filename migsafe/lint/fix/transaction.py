"""Takes a statement out of its script's own transaction where nothing is lost by it.

What makes it impossible is said in words: settings of the transaction, savepoints, data that changes
together, what ends with the transaction, and anything that is not known to be harmless.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from migsafe.lint.fix.markers import without_transaction
from migsafe.lint.fix.model import Edit
from migsafe.lint.fix.place import delete, insert_before, insert_behind
from migsafe.lint.fix.refused import Refused
from migsafe.lint.fix.scene import Scene
from migsafe.sql import operations as ops
from migsafe.sql.operations import Operation
from migsafe.sql.written import words_of

TIMEOUTS = frozenset(
    {
        "lock_timeout",
        "statement_timeout",
        "transaction_timeout",
        "idle_in_transaction_session_timeout",
    }
)
# Nobody who uses the database is worse off when these are there a little earlier than the rest.
_HARMLESS_FIRST = (
    ops.CreateTable,
    ops.AddColumn,
    ops.AddConstraint,
    ops.CreateIndex,
    ops.SetDefault,
    ops.SetNotNull,
    ops.ValidateConstraint,
    ops.SetSetting,
)
_HARMLESS_LATER = (
    *_HARMLESS_FIRST,
    ops.DropIndex,
    ops.DropColumn,
    ops.DropConstraint,
    ops.DropDefault,
    ops.DropNotNull,
    ops.DropTable,
    ops.AlterColumnType,
    ops.RenameColumn,
    ops.RenameTable,
    ops.RenameIndex,
    ops.RenameConstraint,
    ops.ResetSetting,
)
_HARMLESS_TAGS = frozenset(
    {"COMMENT", "CREATE TYPE", "CREATE DOMAIN", "CREATE SCHEMA", "CREATE EXTENSION", "CREATE SEQUENCE"}
)
_PLAIN_BEGIN = frozenset({"begin", "start", "work", "transaction"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """A statement's transaction: the statements before it and behind it that are more than settings."""

    before: tuple[int, ...]
    behind: tuple[int, ...]
    local_before: tuple[int, ...]
    local_behind: tuple[int, ...]


def take_out(scene: Scene, before: Iterable[str], behind: Iterable[str]) -> tuple[Edit, ...]:
    """The edits that put statements around this one, and all of them outside of any transaction.

    Raises:
        Refused: The transaction cannot be taken apart.
    """
    first, last = list(before), list(behind)
    marker: tuple[Edit, ...] = ()
    if scene.in_tool_transaction:
        marker = without_transaction(scene, (*first, *last))
    elif scene.session.in_transaction:
        return _apart(scene, first, last)
    edits = (*marker, *insert_behind(scene.script, scene.index, last))
    return (insert_before(scene.script, scene.index, first), *edits) if first else edits


def goes_on(scene: Scene) -> bool:
    """Whether anything behind the statement still runs under the session's settings."""
    rest = scene.script.statements[scene.index + 1 :]
    return any(not isinstance(each, ops.Commit) for statement in rest for each in statement.operations)


def own_transaction(scene: Scene) -> tuple[int, int]:
    """The indexes of BEGIN and COMMIT around a statement.

    Raises:
        Refused: They are not the script's own, or the transaction is not committed.
    """
    if scene.begin is None or scene.in_tool_transaction:
        raise Refused(
            "the migration tool runs this script in a transaction: turn that off for this migration"
        )
    if scene.end is None:
        raise Refused("its transaction has no COMMIT in this script")
    ending = scene.at(scene.end).operations
    if len(ending) != 1 or not isinstance(ending[0], ops.Commit):
        raise Refused("its transaction does not simply end with COMMIT")
    return scene.begin, scene.end


def _apart(scene: Scene, first: list[str], last: list[str]) -> tuple[Edit, ...]:
    begin, end = own_transaction(scene)
    around = _surroundings(scene, begin, end)
    words = words_of(scene.at(begin))
    edits: list[Edit] = []
    if around.before:
        first.insert(0, words.keywords("COMMIT"))
    else:
        edits += [delete(scene.script, index) for index in (begin, *around.local_before)]
    if around.behind:
        carried = (scene.at(index).text for index in around.local_before)
        last += [scene.at(begin).text, *carried]
    else:
        edits += [delete(scene.script, index) for index in (*around.local_behind, end)]
    if first:
        edits.append(insert_before(scene.script, scene.index, first))
    return (*edits, *insert_behind(scene.script, scene.index, last))


def _surroundings(scene: Scene, begin: int, end: int) -> Surroundings:
    words = words_of(scene.at(begin))
    if any(token.value not in _PLAIN_BEGIN for token in words.tokens):
        raise Refused("its transaction has modes of its own (isolation level, read only)")
    before: list[int] = []
    behind: list[int] = []
    local: list[int] = []
    for index in range(begin + 1, end):
        if index == scene.index:
            continue
        operations = scene.at(index).operations
        for operation in operations:
            _check(operation, later=index > scene.index)
        if all(isinstance(each, ops.SetSetting) for each in operations):
            if any(isinstance(each, ops.SetSetting) and each.local for each in operations):
                local.append(index)
        else:
            (before if index < scene.index else behind).append(index)
    return Surroundings(
        before=tuple(before),
        behind=tuple(behind),
        local_before=tuple(index for index in local if index < scene.index),
        local_behind=tuple(index for index in local if index > scene.index),
    )


def _check(operation: Operation, *, later: bool) -> None:
    match operation:
        case ops.SetSetting(local=True, name=name) if name.lower() not in TIMEOUTS:
            raise Refused(f"its transaction has a setting of its own (SET LOCAL {name})")
        case ops.Savepoint() | ops.Rollback():
            raise Refused("its transaction has savepoints")
        case ops.LockTable():
            raise Refused("its transaction holds a lock that LOCK TABLE took")
        case ops.CreateTable(temporary=True):
            raise Refused("its transaction makes a temporary table")
        case ops.Insert() | ops.Update() | ops.Delete() | ops.Truncate():
            raise Refused("its transaction also changes data")
        case ops.OtherStatement(tag=tag) if tag in _HARMLESS_TAGS:
            return
        case ops.OtherStatement(tag=tag):
            raise Refused(f"its transaction also has {tag}")
        case _ if not isinstance(operation, _HARMLESS_LATER if later else _HARMLESS_FIRST):
            raise Refused("its transaction has statements that should not be seen before the rest")
        case _:
            return
