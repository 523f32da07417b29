"""A lock timeout in front of a statement that waits for a strong lock, and none for those that need patience.

https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT
"""

from collections.abc import Iterator

from migsafe.lint.fix.model import Edit, Fix, make_fix
from migsafe.lint.fix.place import insert_before, insert_behind
from migsafe.lint.fix.scene import Scene
from migsafe.sql import operations as ops
from migsafe.sql.names import quote_literal
from migsafe.sql.script import ReadStatement
from migsafe.sql.written import words_of

NAME = "lock_timeout"
_CONTROL = (ops.Commit, ops.SetSetting, ops.ResetSetting)


def fix(scene: Scene) -> Fix:
    """SET LOCAL behind BEGIN, or in front of the statement in a tool's transaction; else SET.

    Raises:
        NotAsExpected: BEGIN is written in a way that is not edited.
    """
    return timeout(scene, NAME, scene.before.choices.lock_timeout)


def timeout(scene: Scene, name: str, value: str) -> Fix:
    """The fix for any timeout: this value in front of the statement, none where patience is needed.

    Raises:
        NotAsExpected: The statements are written in a way that is not edited.
    """
    keywords = words_of(scene.statement).keywords
    assigned = f"{name} = {quote_literal(value)}"
    title = f"Set {assigned}"
    if scene.session.in_transaction:
        local = f"{keywords('SET LOCAL')} {assigned}"
        begin = scene.begin
        if begin is None or scene.in_tool_transaction or _sets(scene, begin + 1, scene.index, name):
            return make_fix(title, [insert_before(scene.script, scene.index, [local])])
        return make_fix(title, insert_behind(scene.script, begin, [local]))
    edits = [insert_before(scene.script, scene.index, [f"{keywords('SET')} {assigned}"])]
    return make_fix(title, [*edits, *_patience(scene, name, keywords("SET"), assigned)])


def _sets(scene: Scene, first: int, last: int, name: str) -> bool:
    """Whether the script itself deals with the setting between these statements."""
    return any(_is_about(statement, name) for statement in scene.script.statements[first:last])


def _is_about(statement: ReadStatement, name: str) -> bool:
    for operation in statement.operations:
        match operation:
            case ops.SetSetting(name=other) if other.lower() == name:
                return True
            case ops.ResetSetting(name=other) if other is None or other.lower() == name:
                return True
            case _:
                pass
    return False


def _patience(scene: Scene, name: str, set_word: str, assigned: str) -> Iterator[Edit]:
    """Takes the timeout back in front of what works CONCURRENTLY, and gives it again behind."""
    is_set = True
    for index in range(scene.index + 1, len(scene.script.statements)):
        statement = scene.at(index)
        if _is_about(statement, name):
            return
        if any(isinstance(each, ops.Rollback) for each in statement.operations):
            return
        if _is_patient(statement):
            if is_set:
                yield insert_before(scene.script, index, [f"{set_word} {name} = 0"])
            is_set = False
        elif not is_set and not all(isinstance(each, _CONTROL) for each in statement.operations):
            yield insert_before(scene.script, index, [f"{set_word} {assigned}"])
            is_set = True


def _is_patient(statement: ReadStatement) -> bool:
    return any(getattr(each, "concurrently", False) for each in statement.operations)
