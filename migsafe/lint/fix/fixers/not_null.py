"""SET NOT NULL is proven by a constraint that was validated before, while reads and writes went on.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL
"""

from migsafe.catalog.find import free_constraint_name
from migsafe.catalog.model import Table
from migsafe.catalog.names import made_up_name
from migsafe.effects.proofs import proves_not_null
from migsafe.lint.fix.fixers import not_valid
from migsafe.lint.fix.known import known_columns, known_table, made_name, written
from migsafe.lint.fix.model import Edit, Fix, make_fix
from migsafe.lint.fix.scene import Scene
from migsafe.lint.fix.timeouts import Step, with_timeouts
from migsafe.lint.fix.transaction import take_out
from migsafe.sql.operations import AddConstraint, ConstraintKind, SetNotNull
from migsafe.sql.written import AlterTable, NotAsExpected, alter_table

_CONSTRAINTS_SINCE = 180000


def fix(scene: Scene) -> Fix:
    """A CHECK that proves it before, and is dropped behind; from PostgreSQL 18 on, NOT NULL NOT VALID.

    Raises:
        Refused: The table is not known, or the statement cannot leave its transaction.
        NotAsExpected: The statement is written in a way that is not edited.
    """
    operations = scene.statement.operations
    if any(isinstance(each, AddConstraint) for each in operations):
        return not_valid.fix(scene)
    statement = alter_table(scene.statement)
    wanted = [each for each in operations if isinstance(each, SetNotNull)]
    if not wanted:
        raise NotAsExpected
    table = known_table(scene, wanted[0].table)
    columns = tuple(dict.fromkeys(each.column for each in wanted if not proves_not_null(table, each.column)))
    known_columns(table, columns)
    version = scene.before.server_version
    if len(operations) == 1 and version is not None and version >= _CONSTRAINTS_SINCE:
        return _as_constraint(scene, statement, table, columns[0])
    return _by_check(scene, statement, table, columns)


def _as_constraint(scene: Scene, statement: AlterTable, table: Table, column: str) -> Fix:
    words, action = statement.words, statement.actions[0]
    free = free_constraint_name(scene.catalog, table.name.schema)
    name = written(made_up_name(table.name.name, ConstraintKind.NOT_NULL, (column,), free))
    keywords = words.keywords
    added = f"{keywords('ADD CONSTRAINT')} {name} {keywords('NOT NULL')} {written(column)}"
    inside = Edit(
        start=words.start(action.first),
        end=words.end(action.end - 1),
        text=f"{added} {keywords('NOT VALID')}",
    )
    behind = statement.statement(f"{keywords('VALIDATE CONSTRAINT')} {name}")
    return make_fix(
        "Add NOT NULL as a constraint that is validated apart", [inside, *not_valid.later(scene, [behind])]
    )


def _by_check(scene: Scene, statement: AlterTable, table: Table, columns: tuple[str, ...]) -> Fix:
    keywords = statement.words.keywords
    names = [written(made_name(scene.catalog, table, column, "is_not_null")) for column in columns]
    checks = [
        f"{keywords('ADD CONSTRAINT')} {name} {keywords('CHECK')} "
        f"({written(column)} {keywords('IS NOT NULL')}) {keywords('NOT VALID')}"
        for name, column in zip(names, columns, strict=True)
    ]
    validated = [f"{keywords('VALIDATE CONSTRAINT')} {name}" for name in names]
    dropped = [f"{keywords('DROP CONSTRAINT')} {name}" for name in names]
    steps = [
        Step(sql=statement.statement(", ".join(checks))),
        Step(sql=statement.statement(", ".join(validated))),
        Step(),
        Step(sql=statement.statement(", ".join(dropped))),
    ]
    upper = not statement.words.tokens[0].text.islower()
    first, last = with_timeouts(scene, steps, upper=upper)
    return make_fix("Prove it with a CHECK that is validated before", take_out(scene, first, last))
