"""UNIQUE and PRIMARY KEY take over an index that was built CONCURRENTLY before.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX
"""

from dataclasses import dataclass

from migsafe.catalog.find import free_key_name
from migsafe.catalog.model import Catalog, Table
from migsafe.catalog.names import made_up_name
from migsafe.lint.fix.known import known_columns, known_table, written
from migsafe.lint.fix.model import Edit, Fix, make_fix
from migsafe.lint.fix.refused import Refused
from migsafe.lint.fix.scene import Scene
from migsafe.lint.fix.timeouts import Step, with_timeouts
from migsafe.lint.fix.transaction import take_out
from migsafe.sql.inline import inline_constraints
from migsafe.sql.names import Name
from migsafe.sql.operations import AddColumn, AddConstraint, ConstraintDefinition, ConstraintKind
from migsafe.sql.written import Action, AlterTable, NotAsExpected, Words, alter_table

_KEYS = frozenset({ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """A key as written: the brackets of its columns and of INCLUDE, and where its definition ends."""

    columns: str
    include: str
    nulls: str
    first: int
    end: int


def fix(scene: Scene) -> Fix:
    """A unique index, built CONCURRENTLY, then the constraint USING INDEX.

    Raises:
        Refused: The table is not known, or a column of a primary key may be NULL.
        NotAsExpected: The statement is written in a way that is not edited.
    """
    statement = alter_table(scene.statement)
    operations = scene.statement.operations
    wanted = [
        (operation, action)
        for operation, action in zip(operations, statement.actions, strict=True)
        if _adds_key(operation)
    ]
    if len(wanted) != 1:
        raise Refused("it adds several keys at once: give each a statement of its own")
    operation, action = wanted[0]
    match operation:
        case AddConstraint(constraint=constraint):
            table = known_table(scene, operation.table)
            _check_columns(table, constraint)
            name = _free(scene.catalog, table, constraint)
            return _table_key(scene, statement, action, name, unnamed=constraint.name is None)
        case AddColumn():
            if len(operations) != 1:
                raise Refused("it adds the column together with others: give it a statement of its own")
            return _new_column(scene, statement, operation, action)
        case _:
            raise NotAsExpected


def _adds_key(operation: object) -> bool:
    match operation:
        case AddConstraint(constraint=constraint):
            return constraint.kind in _KEYS and constraint.using_index is None
        case AddColumn(column=column):
            return any(each.kind in _KEYS for each in column.constraints)
        case _:
            return False


def _check_columns(table: Table, constraint: ConstraintDefinition) -> None:
    known_columns(table, constraint.columns)
    if constraint.kind is not ConstraintKind.PRIMARY_KEY:
        return
    for name in constraint.columns:
        column = table.column(name)
        if column is None or not column.not_null:
            raise Refused(f"{name} may be NULL: set it NOT NULL first")


def _free(catalog: Catalog, table: Table, constraint: ConstraintDefinition) -> str:
    """The name of the constraint and its index.

    Raises:
        Refused: Something else has it.
    """
    free = free_key_name(catalog, table.name.schema)
    name = constraint.name or made_up_name(table.name.name, constraint.kind, constraint.columns, free)
    if catalog.has_relation(Name(name, table.name.schema)):
        raise Refused(f"there is a relation {name} already, so that no index can have the name")
    return written(name)


def _table_key(scene: Scene, statement: AlterTable, action: Action, name: str, *, unnamed: bool) -> Fix:
    words = statement.words
    at = next((i for i in range(action.first, action.end) if words.word(i) in {"unique", "primary"}), None)
    if at is None:
        raise NotAsExpected
    key = _key(words, at, action.end)
    inside = [
        Edit(
            start=words.start(key.first),
            end=words.end(key.end - 1),
            text=f"{words.keywords('USING INDEX')} {name}",
        )
    ]
    if unnamed:
        place = words.start(at)
        inside.append(Edit(start=place, end=place, text=f"{words.keywords('CONSTRAINT')} {name} "))
    build = _build(words, name, statement.name, key)
    return _fix(scene, words, inside, [Step(sql=build, patient=True), Step()])


def _new_column(scene: Scene, statement: AlterTable, operation: AddColumn, action: Action) -> Fix:
    """The column without its key, then the index, then the constraint."""
    words = statement.words
    table = known_table(scene, operation.table)
    (inline,) = inline_constraints(words, action, operation.column, _KEYS)
    constraint = inline.definition
    if operation.if_not_exists or constraint.kind is ConstraintKind.PRIMARY_KEY:
        raise Refused("a new column that is the primary key has to be filled first")
    name = _free(scene.catalog, table, constraint)
    rest = inline.body.split(None, 1)[1:]
    if rest and not rest[0].lower().startswith(("deferrable", "not deferrable", "initially")):
        raise Refused("its UNIQUE has options of its own")
    key = _Key(columns=f"({inline.column})", include="", nulls="", first=0, end=0)
    keywords = words.keywords
    added = f"{keywords('ADD CONSTRAINT')} {name} {keywords('UNIQUE USING INDEX')} {name}"
    steps = [
        Step(),
        Step(sql=_build(words, name, statement.name, key), patient=True),
        Step(sql=statement.statement(" ".join((added, *rest)))),
    ]
    gone = Edit(start=words.end(inline.first - 1), end=words.end(inline.end - 1), text="")
    return _fix(scene, words, [gone], steps)


def _key(words: Words, at: int, end: int) -> _Key:
    """What stands behind UNIQUE or PRIMARY KEY, up to the options that stay."""
    first = at + 1 + words.at(at, "primary", "key")
    index, nulls = first, ""
    if words.at(index, "nulls"):
        last = index + 1 + words.at(index + 1, "not")
        nulls = words.slice(index, last)
        index = last + 1
    closing = words.closing(index)
    columns = words.slice(index, closing)
    index, include = closing + 1, ""
    if index < end and words.at(index, "include"):
        closing = words.closing(index + 1)
        include = words.slice(index, closing)
        index = closing + 1
    if index < end and words.word(index) in {"with", "using"}:
        raise Refused("the key has storage parameters or a tablespace of its own")
    if "without" in {words.word(i) for i in range(first, index)}:
        raise Refused("a key WITHOUT OVERLAPS cannot take over an index")
    return _Key(columns=columns, include=include, nulls=nulls, first=first, end=index)


def _build(words: Words, name: str, table: str, key: _Key) -> str:
    parts = (
        words.keywords("CREATE UNIQUE INDEX CONCURRENTLY"),
        name,
        words.keywords("ON"),
        table,
        key.columns,
        key.include,
        key.nulls,
    )
    return " ".join(part for part in parts if part)


def _fix(scene: Scene, words: Words, inside: list[Edit], steps: list[Step]) -> Fix:
    upper = not words.tokens[0].text.islower()
    first, last = with_timeouts(scene, steps, upper=upper)
    return make_fix(
        "Build the index CONCURRENTLY, then add the constraint with it",
        [*inside, *take_out(scene, first, last)],
    )
