"""VALIDATE CONSTRAINT goes behind the transaction, or the statement, that adds the constraint.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT
"""

from migsafe.lint.fix.fixers import not_valid
from migsafe.lint.fix.model import Edit, Fix, make_fix
from migsafe.lint.fix.place import delete
from migsafe.lint.fix.scene import Scene
from migsafe.sql.operations import ValidateConstraint
from migsafe.sql.written import AlterTable, NotAsExpected, alter_table


def fix(scene: Scene) -> Fix:
    """The same validation, when the strong lock is gone.

    Raises:
        Refused: The table is not known, or the transaction is not the script's own.
        NotAsExpected: The statement is written in a way that is not edited.
    """
    statement = alter_table(scene.statement)
    moved = [isinstance(each, ValidateConstraint) for each in scene.statement.operations]
    if not any(moved):
        raise NotAsExpected
    words = statement.words
    later = [
        statement.statement(words.slice(action.first, action.end - 1))
        for action, is_moved in zip(statement.actions, moved, strict=True)
        if is_moved
    ]
    gone = [delete(scene.script, scene.index)] if all(moved) else _without(statement, moved)
    return make_fix("Validate the constraint later", [*gone, *not_valid.later(scene, later)])


def _without(statement: AlterTable, moved: list[bool]) -> list[Edit]:
    """Takes actions out, each with the comma before it; those in front with the comma behind."""
    words, actions = statement.words, statement.actions
    first = moved.index(False)
    edits: list[Edit] = []
    if first:
        edits.append(
            Edit(start=words.start(actions[0].first), end=words.start(actions[first].first), text="")
        )
    for before, (action, is_moved) in zip(
        actions[first:], zip(actions[first + 1 :], moved[first + 1 :], strict=True), strict=False
    ):
        if is_moved:
            edits.append(Edit(start=words.end(before.end - 1), end=words.end(action.end - 1), text=""))
    return edits
