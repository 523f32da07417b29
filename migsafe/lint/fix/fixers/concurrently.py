"""CREATE INDEX, DROP INDEX, REINDEX and REFRESH MATERIALIZED VIEW become CONCURRENTLY.

All but REFRESH cannot run in a transaction, and wait for older ones with nobody waiting for them.
https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from migsafe.catalog.model import Index
from migsafe.lint.fix.known import constraint_behind, known_columns, known_index, known_table
from migsafe.lint.fix.model import Edit, Fix, make_fix
from migsafe.lint.fix.refused import Refused
from migsafe.lint.fix.scene import Scene
from migsafe.lint.fix.timeouts import Step, with_timeouts
from migsafe.lint.fix.transaction import take_out
from migsafe.sql.operations import ConstraintKind, CreateIndex, DropIndex, OtherStatement, Reindex
from migsafe.sql.written import NotAsExpected, Words, words_of


def fix(scene: Scene) -> Fix:
    """CONCURRENTLY, outside of the script's transaction and without timeouts.

    Raises:
        Refused: PostgreSQL would not do this one CONCURRENTLY, or it is not known.
        NotAsExpected: The statement is written in a way that is not edited.
    """
    operations = scene.statement.operations
    words = words_of(scene.statement)
    if len(operations) != 1:
        raise Refused("it names several objects, and CONCURRENTLY takes one")
    match operations[0]:
        case CreateIndex() as operation:
            behind = _create(scene, operation, words)
        case DropIndex() as operation:
            behind = _drop(scene, operation, words)
        case Reindex() as operation:
            behind = _reindex(scene, operation, words)
        case OtherStatement(tag="REFRESH MATERIALIZED VIEW"):
            return make_fix("Refresh the materialized view CONCURRENTLY", [_refresh(scene, words)])
        case _:
            raise Refused("PostgreSQL has no other form of it")
    at = words.end(behind)
    inside = Edit(start=at, end=at, text=words.keywords(" CONCURRENTLY"))
    upper = not words.tokens[0].text.islower()
    first, last = with_timeouts(scene, [Step(patient=True)], upper=upper)
    what = words.slice(0, behind).upper()
    return make_fix(f"{' '.join(what.split())} CONCURRENTLY", [inside, *take_out(scene, first, last)])


def _create(scene: Scene, operation: CreateIndex, words: Words) -> int:
    """The place of the word behind which CONCURRENTLY goes."""
    behind = 1 + words.at(1, "unique")
    if not (words.at(0, "create") and words.at(behind, "index")):
        raise NotAsExpected
    if operation.if_not_exists:
        raise Refused(
            "with IF NOT EXISTS, an index that a build left invalid would be taken for the one that is"
            " wanted: drop the invalid one first"
        )
    if operation.only:
        raise Refused("with ON ONLY the index of a partitioned parent is made, which is no build")
    view = scene.catalog.view(operation.table)
    if view is None or not view.materialized:
        known_columns(known_table(scene, operation.table), operation.columns)
    return behind


def _drop(scene: Scene, operation: DropIndex, words: Words) -> int:
    if not words.at(0, "drop", "index"):
        raise NotAsExpected
    if operation.cascade:
        raise Refused("CASCADE drops more than the index, and CONCURRENTLY cannot do that")
    relation, index = known_index(scene, operation.index)
    if behind := constraint_behind(relation, index):
        raise Refused(f"the index belongs to the constraint {behind.name}: that is what would be dropped")
    return 1


def _reindex(scene: Scene, operation: Reindex, words: Words) -> int:
    behind = 1
    if words.word(1) == "(":
        behind = words.closing(1) + 1
    if operation.target is None or not (words.at(0, "reindex") and words.word(behind) in {"index", "table"}):
        raise Refused("only the REINDEX of one index or one table is changed")
    if words.word(behind) == "table":
        table = known_table(scene, operation.target)
        if any(each.kind is ConstraintKind.EXCLUDE for each in table.constraints):
            raise Refused("the index of an exclusion constraint cannot be rebuilt CONCURRENTLY")
        return behind
    relation, index = known_index(scene, operation.target)
    constraint = constraint_behind(relation, index)
    if constraint and constraint.kind is ConstraintKind.EXCLUDE:
        raise Refused("the index of an exclusion constraint cannot be rebuilt CONCURRENTLY")
    return behind


def _refresh(scene: Scene, words: Words) -> Edit:
    target = scene.statement.operations[0]
    if not words.at(0, "refresh", "materialized", "view") or not isinstance(target, OtherStatement):
        raise NotAsExpected
    view = scene.catalog.view(target.target) if target.target else None
    if view is None or not view.materialized or view.assumed:
        raise Refused("it is not known what the materialized view is: give the migrations that make it")
    if not any(_tells_rows_apart(index) for index in view.indexes):
        raise Refused("it needs a unique index on columns of the view, over all of its rows")
    if scene.catalog.resolve(view.name) not in scene.populated:
        raise Refused("a view that was never filled cannot be refreshed CONCURRENTLY")
    if "no" in (words.word(index) for index in range(4, len(words.tokens))):
        raise Refused("WITH NO DATA empties it, which is not done CONCURRENTLY")
    return Edit(start=words.end(2), end=words.end(2), text=words.keywords(" CONCURRENTLY"))


def _tells_rows_apart(index: Index) -> bool:
    # What names an expression, such as its function, is no column.
    of_columns = bool(index.keys) and set(index.keys) <= set(index.columns)
    return index.unique and index.valid and index.where is None and of_columns
