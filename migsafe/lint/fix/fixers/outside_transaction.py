"""What PostgreSQL refuses in a transaction leaves the script's own.

https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from migsafe.lint.fix.model import Fix, make_fix
from migsafe.lint.fix.scene import Scene
from migsafe.lint.fix.timeouts import Step, with_timeouts
from migsafe.lint.fix.transaction import take_out
from migsafe.sql.written import words_of


def fix(scene: Scene) -> Fix:
    """COMMIT before and BEGIN behind it, as far as anything stands there; no timeout ends it half-way.

    Raises:
        Refused: The transaction cannot be taken apart.
        NotAsExpected: The statement is written in a way that is not edited.
    """
    upper = not words_of(scene.statement).tokens[0].text.islower()
    first, last = with_timeouts(scene, [Step(patient=True)], upper=upper)
    return make_fix("Run it outside of the transaction", take_out(scene, first, last))
