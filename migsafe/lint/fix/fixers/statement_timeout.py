"""The same as lock_timeout, for the time that a statement may take."""

from migsafe.lint.fix.fixers.lock_timeout import timeout
from migsafe.lint.fix.model import Fix
from migsafe.lint.fix.scene import Scene


def fix(scene: Scene) -> Fix:
    """SET statement_timeout in front of the statement.

    Raises:
        NotAsExpected: The statement is written in a way that is not edited.
    """
    return timeout(scene, "statement_timeout", scene.before.choices.statement_timeout)
