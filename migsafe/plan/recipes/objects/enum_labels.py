"""ALTER TYPE ... RENAME VALUE where the column gets a new name too: each version has its own column and type.

A value has one name at a time, and both versions read it under the column's name. With a column for each, the
new one is of a twin of the type that has the new label, and triggers keep both equal; no value is lost on
either side. At the end the twin takes the type's name.
"""

import re
from dataclasses import replace

from migsafe.catalog.model import UNKNOWN_TYPE, Catalog, Column, Table, UserType
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import Conversion
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import DdlStep
from migsafe.plan.recipes.columns.change_type import change_type
from migsafe.plan.recipes.columns.way import Way
from migsafe.plan.recipes.objects import parts
from migsafe.plan.replace.replacement import Around
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name, quote_identifier, quote_literal
from migsafe.sql.operations import AlterColumnType, TypeName

_DEFAULT = re.compile(r"'((?:[^']|'')*)'::(?:\w+\.|\"[^\"]+\"\.)?(?:\w+|\"[^\"]+\")")


def label_in_two_columns(kind: UserType, old: str, new: str, wanted: Wanted, scene: Scene) -> Draft:
    """The rollout with a column for each version; `scene.options.new_column` names the new one.

    Raises:
        PlanError: More than one column has the type, or something else needs it.
    """
    table, column = _only_column(kind.name, scene.catalog)
    twin = parts.working(kind.name, "type")
    labels = tuple(new if label == old else label for label in kind.labels)
    draft = change_type(
        AlterColumnType(
            table=table.name, column=column.name, type=TypeName(name=twin.name, schema=twin.schema)
        ),
        wanted,
        scene,
        around=Around(default=_default(table, column, twin, old, new)),
        way=Way(
            conversion=Conversion(up=_label(old, new, twin), down=_label(new, old, kind.name)),
        ),
    )
    create = DdlStep(
        id=f"expand.{twin.name}",
        stage=Stage.EXPANDED,
        title=f"Create {twin} like {kind.name}, with {new} for {old}",
        sql=(f"CREATE TYPE {twin.sql} AS ENUM ({', '.join(map(quote_literal, labels))})",),
        undo=(f"DROP TYPE IF EXISTS {twin.sql}",),
    )
    end = DdlStep(
        id=f"contract.{kind.name.name}",
        stage=Stage.DROPPED,
        title=f"Drop the old {kind.name}, and give its name to the new one",
        sql=(
            f"DROP TYPE {kind.name.sql}",
            f"ALTER TYPE {twin.sql} RENAME TO {quote_identifier(kind.name.name)}",
        ),
    )
    change = replace(
        draft.change,
        kind="rename_enum_value",
        summary=f"Rename the value {old} of {kind.name} to {new}, and {column.name} of {table.name} with it",
    )
    told = (
        f"The type of {scene.options.new_column} is called {twin.name} until the last stage: statements of "
        f"the new version must not cast to {kind.name.name} or to that, but write '{new}' alone.",
    )
    return replace(draft, change=change, steps=(create, *draft.steps, end), warnings=(*draft.warnings, *told))


def _label(old: str, new: str, to: Name) -> str:
    text = "{value}::text"
    return f"(CASE {text} WHEN {quote_literal(old)} THEN {quote_literal(new)} ELSE {text} END)::{to.sql}"


def _only_column(kind: Name, catalog: Catalog) -> tuple[Table, Column]:
    found = [
        (table, column)
        for table in catalog.tables.values()
        if table.partition_of is None
        for column in table.columns
        if catalog.resolve_type(column.type) == kind
    ]
    others = [str(each.name) for each in catalog.domains.values() if catalog.resolve_type(each.base) == kind]
    others += [
        f"function {each.name}"
        for overloads in catalog.functions.values()
        for each in overloads
        if any(catalog.resolve_type(used) == kind for used in (*each.arguments, each.returns or UNKNOWN_TYPE))
    ]
    if others or len(found) != 1 or found[0][1].type.array_dimensions:
        users = [f"{column.name} of {table.name}" for table, column in found]
        raise PlanError(
            f"{kind} is not the type of exactly one column, but used by: "
            f"{', '.join((*users, *others)) or 'none'}",
            advice="Make a new type with the labels that are wanted, and change the columns that have the "
            "old one to it, each in a migration of its own (ALTER COLUMN TYPE with --new-column).",
        )
    return found[0]


def _default(table: Table, column: Column, twin: Name, old: str, new: str) -> str | None:
    """The default in the new type; what else says a value of the old type is refused."""
    parts_of_it = [(each.name, each.columns, each.definition) for each in table.constraints]
    parts_of_it += [(each.name, each.columns, each.definition) for each in table.indexes]
    said = [name for name, columns, text in parts_of_it if column.name in columns and "::" in text]
    if said:
        raise PlanError(
            f"{said[0]} of {table.name} names values of the type of {column.name}",
            advice="Drop it first, and add it again afterwards.",
        )
    if column.default is None:
        return None
    found = _DEFAULT.fullmatch(column.default)
    if found is None:
        raise PlanError(
            f"the default of {column.name} of {table.name} is {column.default}, which is no plain value",
            advice="Drop the default first, and set it again afterwards.",
        )
    label = found[1].replace("''", "'")
    return f"{quote_literal(new if label == old else label)}::{twin.sql}"
