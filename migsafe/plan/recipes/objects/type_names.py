"""Types, domains and sequences renamed and dropped.

While both names of a type are in use, the old one is a domain over the new one: `'a'::old_name` and a
comparison with a column of the new name go on working.
https://www.postgresql.org/docs/current/sql-createdomain.html
"""

from migsafe.catalog.model import Catalog, TypeKind
from migsafe.catalog.types import find_domain, find_type
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Stage
from migsafe.sql.changes import DropObject, MoveObject, RenameObject
from migsafe.sql.names import Name, quote_identifier


def rename_type(change: RenameObject | MoveObject, _wanted: Wanted, scene: Scene) -> Draft:
    """A new name or schema for a type or a domain.

    Raises:
        PlanError: It is not known, or a part of it is to be renamed.
    """
    old = _known(change.kind, change.name, scene.catalog)
    _refuse_unlike(old, scene.catalog)
    if isinstance(change, RenameObject) and change.part is not None:
        raise PlanError(
            f"the {change.part_kind} {change.part} of {old} cannot have two names for both versions",
            advice="Make a new type with the new name, and change the columns to it.",
        )
    if isinstance(change, RenameObject):
        new = Name(change.new_name, old.schema)
        forward = f"ALTER {change.kind} {old.sql} RENAME TO {quote_identifier(new.name)}"
        backward = f"ALTER {change.kind} {new.sql} RENAME TO {quote_identifier(old.name)}"
    else:
        new = Name(old.name, change.new_schema)
        forward = f"ALTER {change.kind} {old.sql} SET SCHEMA {quote_identifier(change.new_schema)}"
        backward = f"ALTER {change.kind} {new.sql} SET SCHEMA {quote_identifier(old.schema or '')}"
    kind = change.kind.lower()
    return Draft(
        change=Change(
            kind=f"rename_{kind}",
            summary=f"Rename {kind} {old} to {new} while both names are in use",
            subject=old,
            application_change=True,
        ),
        compatibility=parts.LEAVING,
        steps=(
            DdlStep(
                id=f"expand.type.{new.name}",
                stage=Stage.EXPANDED,
                title=f"Rename {old} to {new}; the old name becomes a domain over it",
                sql=(
                    forward,
                    f"CREATE DOMAIN {old.sql} AS {new.sql}",
                ),
                undo=(f"DROP DOMAIN {old.sql}", backward),
            ),
            *_leave("DOMAIN", old),
        ),
        warnings=(
            f"Drivers that look {old} up by its name (array types, binary formats, registered enums) find "
            "the domain: let them connect again, and try it before.",
            f"Clients that prepare statements which name {old} get 'type with OID ... does not exist' "
            "after a revert, until they prepare them again: let them reconnect on that error.",
            f"Arrays: {old}[] is an array of the domain until the end, and no longer the type of a column.",
        ),
    )


def _refuse_unlike(old: Name, catalog: Catalog) -> None:
    """A domain over it stands in for a domain, a range or a base type, but not for these."""
    found = catalog.types.get(old)
    if found is None or found.kind not in {TypeKind.ENUM, TypeKind.COMPOSITE}:
        return
    kind = found.kind.value
    raise PlanError(
        f"the {kind} type {old} has one name at a time: whoever casts to a name that is not there fails, "
        "and a "
        f"domain over it is not compared with a column of the {kind} type",
        advice="The name matters to casts only: let the application leave them out ('x' instead of "
        f"'x'::{old}), then rename the type without a plan.",
    )


def drop_type(change: DropObject, _wanted: Wanted, scene: Scene) -> Draft:
    """A type, domain or sequence that goes when nobody should name it any more; a sequence is renamed first.

    A type keeps its name until it goes: the triggers of a column that had it in this very migration say it.

    Raises:
        PlanError: It is not known, or CASCADE would take more with it.
    """
    if change.kind == "SEQUENCE":
        found = scene.catalog.sequence(change.name)
        old = found.name if found else None
    else:
        old = _find(change.name, scene.catalog)
    if old is None:
        what = f"{change.kind.lower()} {change.name}"
        raise parts.refuse_unknown(what, scene.catalog, if_exists=change.if_exists)
    if change.cascade:
        raise PlanError(
            f"CASCADE drops the columns that use {old}, with all that they hold",
            advice="Drop or change the columns in statements of their own, then drop it without CASCADE.",
        )
    return Draft(
        change=Change(
            kind=f"drop_{change.kind.lower()}", summary=f"Drop {change.kind.lower()} {old}", subject=old
        ),
        compatibility=parts.LEAVING,
        steps=_leave(change.kind, old) if change.kind == "SEQUENCE" else (_drop(change.kind, old, old),),
    )


def rename_sequence(change: RenameObject | MoveObject, _wanted: Wanted, scene: Scene) -> Draft:
    """Refused: nextval() finds one name only.

    Raises:
        PlanError: Always.
    """
    raise PlanError(
        f"the sequence {scene.catalog.resolve(change.name)} has one name at a time, and whoever calls "
        "nextval() by another one fails",
        advice="Let the application leave the column out of its INSERTs, or ask pg_get_serial_sequence(), so "
        "that it names the sequence nowhere; then rename it without a plan.",
    )


def _leave(kind: str, old: Name) -> tuple[DdlStep, DdlStep]:
    grave = parts.tombstone(old, kind.lower())
    return (
        DdlStep(
            id=f"contract.{kind.lower()}.{old.name}.tombstone",
            stage=Stage.TOMBSTONED,
            title=f"Rename {old.name} to its tombstone",
            sql=(parts.renamed(kind, old, grave),),
            undo=(parts.renamed(kind, grave, old),),
        ),
        _drop(kind, old, grave),
    )


def _drop(kind: str, old: Name, name: Name) -> DdlStep:
    return DdlStep(
        id=f"contract.{kind.lower()}.{old.name}.drop",
        stage=Stage.DROPPED,
        title=f"Drop {name.name}: the point of no return",
        sql=(f"DROP {kind} {name.sql}",),
    )


def _known(kind: str, name: Name, catalog: Catalog) -> Name:
    found = _find(name, catalog)
    if found is None:
        raise parts.refuse_unknown(f"{kind.lower()} {name}", catalog, if_exists=False)
    return found


def _find(name: Name, catalog: Catalog) -> Name | None:
    found = find_type(catalog, name) or find_domain(catalog, name)
    return found.name if found else None
