"""IF EXISTS and IF NOT EXISTS, so that a script that failed half-way can run again.

In the tool's transaction nothing is left half-way, so nothing is changed there. An index that is built
CONCURRENTLY may be left invalid, and IF NOT EXISTS would take it for a good one.
"""

from migsafe.lint.fix.model import Edit, Fix, make_fix
from migsafe.lint.fix.refused import Refused
from migsafe.lint.fix.scene import Scene
from migsafe.sql import operations as ops
from migsafe.sql.written import NotAsExpected, Words, alter_table, words_of

# The words that make such a statement, and what goes behind them.
_MISSING, _PRESENT = " IF EXISTS", " IF NOT EXISTS"
_STATEMENTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("create", "table"), _PRESENT),
    (("create", "unlogged", "table"), _PRESENT),
    (("create", "schema"), _PRESENT),
    (("create", "extension"), _PRESENT),
    (("create", "sequence"), _PRESENT),
    (("create", "materialized", "view"), _PRESENT),
    (("drop", "table"), _MISSING),
    (("drop", "view"), _MISSING),
    (("drop", "materialized", "view"), _MISSING),
    (("drop", "index", "concurrently"), _MISSING),
    (("drop", "index"), _MISSING),
    (("drop", "sequence"), _MISSING),
    (("drop", "type"), _MISSING),
    (("drop", "domain"), _MISSING),
    (("drop", "function"), _MISSING),
    (("drop", "trigger"), _MISSING),
    (("drop", "policy"), _MISSING),
    (("drop", "schema"), _MISSING),
    (("drop", "extension"), _MISSING),
)


def fix(scene: Scene) -> Fix:
    """The words in their place.

    Raises:
        Refused: It stands in the tool's transaction, or the words would hide something.
        NotAsExpected: The statement is written in a way that is not edited.
    """
    if scene.in_tool_transaction:
        raise Refused("in a transaction nothing is left half-way")
    words = words_of(scene.statement)
    if words.at(0, "alter", "table"):
        return make_fix("Make it re-runnable", _actions(scene))
    if words.at(0, "create", "index") or words.at(0, "create", "unique"):
        raise Refused("IF NOT EXISTS would take an index that a build left invalid for a good one")
    for start, added in _STATEMENTS:
        if words.at(0, *start):
            return make_fix(f"Add{added}", [_behind(words, len(start) - 1, added)])
    raise NotAsExpected


def _actions(scene: Scene) -> list[Edit]:
    statement = alter_table(scene.statement)
    words = statement.words
    edits: list[Edit] = []
    for operation, action in zip(scene.statement.operations, statement.actions, strict=True):
        match operation:
            case ops.AddColumn(if_not_exists=False):
                edits.append(_in_action(words, action.first, "add", "column", _PRESENT))
            case ops.DropColumn(column_if_exists=False):
                edits.append(_in_action(words, action.first, "drop", "column", _MISSING))
            case ops.DropConstraint(constraint_if_exists=False):
                edits.append(_in_action(words, action.first, "drop", "constraint", _MISSING))
            case ops.AddColumn() | ops.DropColumn() | ops.DropConstraint():
                continue
            case ops.SetDefault() | ops.DropDefault() | ops.SetNotNull() | ops.DropNotNull():
                continue  # these may run again as they are
            case _:
                raise Refused("another action of the statement cannot run again")
    if not edits:
        raise NotAsExpected
    return edits


def _in_action(words: Words, first: int, verb: str, noun: str, added: str) -> Edit:
    if not words.at(first, verb):
        raise NotAsExpected
    if words.at(first + 1, noun):
        return _behind(words, first + 1, added)
    return _behind(words, first, f" {noun.upper()}{added}")


def _behind(words: Words, index: int, added: str) -> Edit:
    if words.at(index + 1, "if"):
        raise NotAsExpected
    at = words.end(index)
    return Edit(start=at, end=at, text=words.keywords(added))
