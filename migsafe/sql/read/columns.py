"""Column definitions and constraints, as CREATE TABLE and ALTER TABLE share them."""

from typing import Any

from migsafe.sql.cursor import Cursor
from migsafe.sql.expressions import default_expression, expression
from migsafe.sql.grammar.match import match_rule
from migsafe.sql.lex import TokenKind
from migsafe.sql.operations import (
    ColumnDefinition,
    ConstraintDefinition,
    ConstraintKind,
    Expression,
    Generated,
)
from migsafe.sql.types import serial_base, type_name

_MARK_STARTS = frozenset({"not", "deferrable", "enforced", "initially", "no"})
_CONSTRAINT_STARTS = frozenset({"constraint", "check", "unique", "primary", "foreign"})


Fields = dict[str, Any]


def column_definition(cursor: Cursor) -> ColumnDefinition:
    """A column: name, type, and all that may follow them."""
    name = cursor.identifier("a column's name")
    written = type_name(cursor)
    base = serial_base(written)
    fields: Fields = {"name": name, "type": base or written}
    if base is not None:
        fields |= {"is_serial": True, "not_null": True}
    return column_options(cursor, fields)


def column_options(cursor: Cursor, fields: Fields) -> ColumnDefinition:
    """What follows a column's name and type: collation, default, constraints, in any order."""
    constraints: list[ConstraintDefinition] = []
    while cursor.at < cursor.end and cursor.words[cursor.at] != ",":
        _one_option(cursor, fields, constraints)
    return ColumnDefinition(**fields, constraints=tuple(constraints))


def starts_constraint(cursor: Cursor) -> bool:
    """Whether a table constraint stands here, and not a column."""
    if cursor.word() in _CONSTRAINT_STARTS or cursor.at_words("not", "null"):
        return True
    return cursor.word() == "exclude" and cursor.word(1) in {"using", "("}


def table_constraint(cursor: Cursor) -> ConstraintDefinition:
    """A constraint of a table, with its name and marks."""
    first = cursor.at
    name = cursor.identifier("a constraint's name") if cursor.take("constraint") else None
    return _constraint(cursor, _table_constraint_body(cursor), name, first)


def _constraint(cursor: Cursor, body: Fields, name: str | None, first: int) -> ConstraintDefinition:
    _marks(cursor, body)
    return ConstraintDefinition(**body, name=name, text=cursor.tokens.source(first, cursor.at))


def _one_option(cursor: Cursor, column: Fields, constraints: list[ConstraintDefinition]) -> None:
    first = cursor.at
    if _storage_option(cursor, column):
        return
    name = cursor.identifier("a constraint's name") if cursor.take("constraint") else None
    if cursor.take("default"):
        column["default"] = default_expression(cursor)
    elif cursor.take("null"):
        _marks(cursor, {})
    elif cursor.take("generated"):
        _generated(cursor, column)
    elif name is None and cursor.word() in _MARK_STARTS and not cursor.at_words("not", "null"):
        _marks(cursor, {})
        if cursor.at == first:
            raise cursor.unexpected("a column's constraint")
    else:
        constraint = _constraint(cursor, _column_constraint_body(cursor, column["name"]), name, first)
        if constraint.kind in {ConstraintKind.NOT_NULL, ConstraintKind.PRIMARY_KEY}:
            column["not_null"] = True
        if name or constraint.kind is not ConstraintKind.NOT_NULL:
            constraints.append(constraint)


def _storage_option(cursor: Cursor, column: Fields) -> bool:
    """An option that is no constraint; whether one stood here."""
    if cursor.take("collate"):
        column["collation"] = cursor.name("a collation")
    elif cursor.take_any("storage", "compression"):
        if not cursor.take("default"):
            cursor.identifier("a storage or compression method", label=True)
    elif cursor.word() == "options":
        if match_rule("foreign_options", cursor) is None:
            raise cursor.unexpected("options of a column")
    else:
        return False
    return True


def _generated(cursor: Cursor, column: Fields) -> None:
    always = cursor.take("always")
    if not always:
        cursor.expect("by", "default")
    cursor.expect("as")
    if cursor.take("identity"):
        if cursor.word() == "(" and match_rule("identity_sequence", cursor) is None:
            raise cursor.unexpected("options of a sequence")
        column |= {"generated": Generated.IDENTITY, "not_null": True}
        return
    if not always:
        raise cursor.unexpected("IDENTITY")
    generated_as = expression(cursor.inside())
    kind = Generated.STORED if cursor.take("stored") else Generated.VIRTUAL
    if kind is Generated.VIRTUAL:
        cursor.take("virtual")
    column |= {"generated": kind, "generated_as": generated_as}


def _column_constraint_body(cursor: Cursor, column: str) -> Fields:
    if cursor.take("not", "null"):
        cursor.take("no", "inherit")
        return _body(kind=ConstraintKind.NOT_NULL, columns=(column,))
    if cursor.take("check"):
        return _check(cursor)
    if cursor.take("unique"):
        _nulls_distinct(cursor)
        _index_parameters(cursor)
        return _body(kind=ConstraintKind.UNIQUE, columns=(column,))
    if cursor.take("primary", "key"):
        _index_parameters(cursor)
        return _body(kind=ConstraintKind.PRIMARY_KEY, columns=(column,))
    if cursor.word() == "references":
        return _references(cursor, (column,))
    raise cursor.unexpected("a column's constraint")


def _table_constraint_body(cursor: Cursor) -> Fields:
    if cursor.take("check"):
        return _check(cursor)
    if cursor.take("not", "null"):
        column = cursor.identifier("a column")
        cursor.take("no", "inherit")
        return _body(kind=ConstraintKind.NOT_NULL, columns=(column,))
    if cursor.take("unique"):
        return _key(cursor, ConstraintKind.UNIQUE)
    if cursor.take("primary", "key"):
        return _key(cursor, ConstraintKind.PRIMARY_KEY)
    if cursor.take("foreign", "key"):
        return _references(cursor, _columns(cursor))
    if cursor.take("exclude"):
        return _exclude(cursor)
    raise cursor.unexpected("a constraint")


def _check(cursor: Cursor) -> Fields:
    condition: Expression = expression(cursor.inside())
    cursor.take("no", "inherit")
    return _body(kind=ConstraintKind.CHECK, columns=condition.columns, expression=condition)


def _key(cursor: Cursor, kind: ConstraintKind) -> Fields:
    if cursor.take("using", "index"):
        return _body(kind=kind, using_index=cursor.identifier("an index"))
    if kind is ConstraintKind.UNIQUE:
        _nulls_distinct(cursor)
    columns = _columns(cursor)
    _index_parameters(cursor)
    return _body(kind=kind, columns=columns)


def _exclude(cursor: Cursor) -> Fields:
    if cursor.take("using"):
        cursor.identifier("an index method")
    elements = cursor.inside()
    columns = tuple(
        token.value
        for index, token in enumerate(elements.tokens[elements.at : elements.end])
        if token.kind in {TokenKind.WORD, TokenKind.QUOTED}
        and elements.tokens[elements.at + index - 1].value in {"(", ","}
        and elements.tokens[elements.at + index + 1].value != "("
    )
    _index_parameters(cursor)
    if cursor.take("where"):
        expression(cursor.inside())
    return _body(kind=ConstraintKind.EXCLUDE, columns=columns)


def _references(cursor: Cursor, columns: tuple[str, ...]) -> Fields:
    cursor.expect("references")
    table = cursor.name("a table")
    referenced = _columns(cursor) if cursor.word() == "(" else ()
    if cursor.take("match"):
        cursor.one_of("full", "partial", "simple")
    while cursor.take("on"):
        cursor.one_of("delete", "update")
        _referential_action(cursor)
    return _body(
        kind=ConstraintKind.FOREIGN_KEY, columns=columns, references=table, referenced_columns=referenced
    )


def _referential_action(cursor: Cursor) -> None:
    if cursor.take("no", "action") or cursor.take_any("restrict", "cascade"):
        return
    cursor.expect("set")
    cursor.one_of("null", "default")
    if cursor.word() == "(":
        _columns(cursor)


def _columns(cursor: Cursor) -> tuple[str, ...]:
    """Column names between brackets; PERIOD and WITHOUT OVERLAPS (PostgreSQL 18) are allowed."""
    inside = cursor.inside()

    def column(here: Cursor) -> str:
        if here.word() == "period" and here.word(1) not in {"", ","}:
            here.next()
        return here.identifier("a column")

    columns = inside.listed(column)
    inside.take("without", "overlaps")
    inside.expect_end()
    return columns


def _nulls_distinct(cursor: Cursor) -> None:
    if cursor.take("nulls"):
        cursor.take("not")
        cursor.expect("distinct")


def _index_parameters(cursor: Cursor) -> None:
    if cursor.take("include"):
        cursor.inside()
    if cursor.take("with") and match_rule("definition", cursor) is None:
        raise cursor.unexpected("options of an index")
    if cursor.take("using", "index", "tablespace"):
        cursor.identifier("a tablespace")


def _body(**fields: Any) -> Fields:
    return fields


def _marks(cursor: Cursor, constraint: Fields) -> None:
    """DEFERRABLE and its like, NOT VALID, NOT ENFORCED."""
    while cursor.word() in _MARK_STARTS:
        if cursor.take("not", "valid"):
            constraint["not_valid"] = True
        elif cursor.take("not", "enforced"):
            constraint["not_enforced"] = True
        elif not (
            cursor.take("not", "deferrable")
            or cursor.take_any("deferrable", "enforced")
            or cursor.take("initially", "deferred")
            or cursor.take("initially", "immediate")
            or cursor.take("no", "inherit")
        ):
            return
