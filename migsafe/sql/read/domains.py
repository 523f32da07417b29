"""CREATE DOMAIN and ALTER DOMAIN.

https://www.postgresql.org/docs/current/sql-alterdomain.html
"""

from migsafe.sql.cursor import Cursor
from migsafe.sql.grammar import Found
from migsafe.sql.objects import AlterDomain, CreateDomain
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind, Operation


def create_domain(found: Found, _: Cursor) -> tuple[Operation, ...]:
    """What the grammar found in CREATE DOMAIN."""
    name: str | None = None
    constraints: list[ConstraintDefinition] = []
    for label, value in found.kept:
        if label == "constraint":
            name = _name_of(value)
        elif label == "expression":
            constraints.append(
                ConstraintDefinition(kind=ConstraintKind.CHECK, name=name, expression=value, text=value.text)
            )
            name = None
        elif label == "not_null":
            constraints.append(ConstraintDefinition(kind=ConstraintKind.NOT_NULL, name=name))
            name = None
    made = CreateDomain(
        tag=found.tag,
        target=found.first("target"),
        base=found.first("base"),
        not_null=found.first("not_null") is not None,
        default=found.first("default_value"),
        constraints=tuple(constraints),
    )
    return (made,)


def alter_domain(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    """What the grammar found in ALTER DOMAIN."""
    action: Cursor | None = found.first("action")
    constraint: ConstraintDefinition | None = None
    if found.first("checks") is not None or found.first("not_null") is not None:
        checks = found.first("checks") is not None
        constraint = ConstraintDefinition(
            kind=ConstraintKind.CHECK if checks else ConstraintKind.NOT_NULL,
            name=_name_of(found.first("constraint")),
            expression=found.first("expression"),
            not_valid=found.first("not_valid") is not None,
        )
    return (
        AlterDomain(
            tag=found.tag,
            target=found.first("target"),
            action=_action(found, cursor, action, is_constraint=constraint is not None),
            name=found.first("name") or (constraint.name if constraint else None),
            new_name=found.first("new_name") or found.first("new_schema"),
            default=found.first("default_value"),
            constraint=constraint,
        ),
    )


def _action(found: Found, cursor: Cursor, action: Cursor | None, *, is_constraint: bool) -> str:
    if action is None:
        if found.first("new_schema") is not None:
            return "SET SCHEMA"
        return "RENAME TO" if found.first("new_name") is not None else "OWNER TO"
    if is_constraint:
        return "ADD CONSTRAINT"
    words = [token.value for token in cursor.tokens[action.at : action.end]]
    if words in (["set"], ["drop"]):
        words += ["not", "null"]
    if words[:2] in (["set", "default"], ["drop", "constraint"]):
        words = words[:2]
    return " ".join(words[:2] if words[0] in {"validate", "rename"} else words).upper()


def _name_of(part: Cursor | None) -> str | None:
    return part.tokens.value(part.end - 1) if part is not None else None
