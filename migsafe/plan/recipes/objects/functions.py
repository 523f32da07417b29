"""Functions and procedures replaced, renamed and dropped: both versions find what they call.

https://www.postgresql.org/docs/current/sql-createfunction.html
"""

import re

from migsafe.catalog.functions import find_function
from migsafe.catalog.model import Catalog, Function
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.changes import CreateFunction, DropObject, MoveObject, RenameObject
from migsafe.sql.names import Name, quote_identifier

_PART = r'(?:"(?:[^"]|"")+"|[^".(\s]+)'
_HEAD = re.compile(rf"^(CREATE OR REPLACE (?:FUNCTION|PROCEDURE)) {_PART}\.{_PART}\(")
_DEFAULT = re.compile(r"\bDEFAULT\b|(?<![<>!=:])=(?!>)", re.IGNORECASE)


def existing(change: CreateFunction, catalog: Catalog) -> Function | None:
    """The overload that CREATE OR REPLACE would replace."""
    return find_function(catalog, change.name, change.arguments)


def replace_function(change: CreateFunction, wanted: Wanted, scene: Scene) -> Draft:
    """Another body at once; both versions call it from then on."""
    old = existing(change, scene.catalog)
    assert old is not None  # noqa: S101 -- who asks has looked
    undo, told = _undo(old, wanted)
    return Draft(
        change=Change(
            kind="replace_function", summary=f"Give {old.kind} {old.name} another body", subject=old.name
        ),
        compatibility=parts.LOOSENED,
        steps=(
            DdlStep(
                id=f"expand.function.{old.name.name}",
                stage=Stage.EXPANDED,
                title=f"Give {old.kind} {old.name} another body",
                sql=(wanted.sql,),
                undo=undo,
            ),
        ),
        warnings=(
            f"Both versions call the new {old.name} from the first stage on: it must do for the old one what "
            "that expects. If it cannot, give the new one another name or other arguments.",
            *told,
        ),
    )


def _undo(old: Function, wanted: Wanted) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not old.definition:
        return (), (f"The old body of {old.name} is not known: it is not taken back by a revert.",)
    if _defaults(wanted.sql) > _defaults(old.definition):
        return (), (
            f"The new body of {old.name} is not taken back by a revert: it gives an argument a default, "
            "which PostgreSQL never takes away again.",
        )
    return (old.definition,), ()


def _defaults(definition: str) -> int:
    """How many arguments have defaults: counted up to the bracket that closes them."""
    depth, start = 0, definition.index("(")
    for at in range(start, len(definition)):
        depth += {"(": 1, ")": -1}.get(definition[at], 0)
        if depth == 0:
            return len(_DEFAULT.findall(definition[start:at]))
    return 0


def drop_function(change: DropObject, _wanted: Wanted, scene: Scene) -> Draft:
    """A function that is renamed when nobody should call it any more, and dropped later.

    Raises:
        PlanError: It is not known, or CASCADE would take more with it.
    """
    old = _known(change, scene.catalog, if_exists=change.if_exists)
    if change.cascade:
        raise PlanError(
            f"CASCADE drops whatever uses {old.name}, and nobody says what that is",
            advice="Drop what uses it in statements of their own, then the function without CASCADE.",
        )
    return Draft(
        change=Change(kind="drop_function", summary=f"Drop {old.kind} {old.name}", subject=old.name),
        compatibility=parts.LEAVING,
        steps=_leave(old),
        warnings=(
            f"Bodies of other functions that call {old.name} by name are not known to the catalog: look for "
            "them.",
        ),
    )


def rename_function(change: RenameObject | MoveObject, _wanted: Wanted, scene: Scene) -> Draft:
    """A new name or schema; the old one is a copy until the old version is gone.

    Raises:
        PlanError: It is not known exactly, so that no copy can be made.
    """
    old = _known(change, scene.catalog)
    if isinstance(change, RenameObject):
        new = Name(change.new_name, old.name.schema)
        there = f"RENAME TO {quote_identifier(new.name)}"
        back = f"RENAME TO {quote_identifier(old.name.name)}"
    else:
        new = Name(old.name.name, change.new_schema)
        there = f"SET SCHEMA {quote_identifier(change.new_schema)}"
        back = f"SET SCHEMA {quote_identifier(old.name.schema or '')}"
    if not _HEAD.match(old.definition):
        raise parts.inexact(f"{old.kind} {old.name}")
    return Draft(
        change=Change(
            kind="rename_function",
            summary=f"Rename {old.kind} {old.name} to {new} while both names are in use",
            subject=old.name,
            application_change=True,
        ),
        compatibility=parts.LEAVING,
        steps=(
            DdlStep(
                id=f"expand.function.{new.name}",
                stage=Stage.EXPANDED,
                title=f"Rename {old.name} to {new}; the old name becomes a copy",
                sql=(
                    f"ALTER ROUTINE {signature(old)} {there}",
                    old.definition,
                    *old.adorned,
                ),
                undo=(f"DROP ROUTINE {signature(old)}", f"ALTER ROUTINE {signature(old, new)} {back}"),
            ),
            *_leave(old),
        ),
        warnings=(
            f"Bodies of other functions that call {old.name} by name are not known to the catalog: look for "
            "them.",
        ),
    )


def _leave(old: Function) -> tuple[DdlStep, DdlStep]:
    called = f"{old.name.name}.{make_tag(signature(old))}"
    grave = Name(
        bounded("migsafe_tomb", old.name.name, make_tag("function", signature(old))), old.name.schema
    )
    return (
        DdlStep(
            id=f"contract.function.{called}.tombstone",
            stage=Stage.TOMBSTONED,
            title=f"Rename {old.name} to its tombstone",
            sql=(f"ALTER ROUTINE {signature(old)} RENAME TO {quote_identifier(grave.name)}",),
            undo=(f"ALTER ROUTINE {signature(old, grave)} RENAME TO {quote_identifier(old.name.name)}",),
        ),
        DdlStep(
            id=f"contract.function.{called}.drop",
            stage=Stage.DROPPED,
            title=f"Drop {grave.name}: the point of no return",
            sql=(f"DROP ROUTINE {signature(old, grave)}",),
        ),
    )


def signature(function: Function, name: Name | None = None) -> str:
    """The function with the types of its arguments, as SQL names it."""
    arguments = ", ".join(parts.type_sql(each) for each in function.arguments)
    return f"{(name or function.name).sql}({arguments})"


def _known(
    change: DropObject | RenameObject | MoveObject, catalog: Catalog, *, if_exists: bool = False
) -> Function:
    found = find_function(catalog, change.name, change.arguments)
    if found is None:
        raise parts.refuse_unknown(f"{change.kind.lower()} {change.name}", catalog, if_exists=if_exists)
    return found
