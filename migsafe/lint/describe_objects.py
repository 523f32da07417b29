"""Facts about objects that are no tables: views, functions, types, sequences, schemas, triggers, policies."""

from migsafe.catalog.model import Catalog
from migsafe.lint.facts import ChangeWord, Facts
from migsafe.sql.changes import (
    AddLabel,
    ChangeAttribute,
    ChangeSequence,
    CreateDomain,
    CreateExtension,
    CreateFunction,
    CreateOnTable,
    CreateSchema,
    CreateTrigger,
    CreateType,
    CreateView,
    DropObject,
    MoveObject,
    RenameObject,
    SchemaChange,
)
from migsafe.sql.operations import OtherStatement

_VERBS: tuple[ChangeWord, ...] = ("create", "alter", "drop")


def object_facts(facts: Facts, operation: OtherStatement, catalog: Catalog) -> None:
    """What the statement does to which object: by its changes, or else by its tag."""
    verb, _, kind = operation.tag.partition(" ")
    for word in _VERBS:
        if verb.lower() == word:
            facts.change, facts.object_kind = word, kind
    facts.object = str(operation.target or "")
    for change in operation.changes[:1]:
        _change(facts, change)
    names = [str(change.name) for change in operation.changes if isinstance(change, DropObject)]
    if names:
        facts.object = ", ".join(names)
        drops = [change for change in operation.changes if isinstance(change, DropObject)]
        facts.object_internal = all(_is_of_trigger(change, catalog) for change in drops)


def _is_of_trigger(change: DropObject, catalog: Catalog) -> bool:
    """Whether it is a function that only triggers can call."""
    found = catalog.functions_named(change.name)
    return bool(found) and all(each.returns is not None and each.returns.name == "trigger" for each in found)


def _change(facts: Facts, change: SchemaChange) -> None:
    match change:
        case DropObject():
            facts.object_kind, facts.cascade = change.kind, change.cascade
            facts.repeatable = change.if_exists
        case RenameObject():
            facts.change, facts.new_name = "rename", change.new_name
            facts.object_kind, facts.object = change.kind, str(change.name)
        case MoveObject():
            facts.change, facts.new_name = "move", change.new_schema
            facts.object_kind, facts.object = change.kind, str(change.name)
        case AddLabel():
            facts.change = "label"
            facts.object, facts.new_name = str(change.type), change.label
            facts.label_placed = bool(change.before or change.after)
        case ChangeAttribute():
            facts.change = "attribute"
            facts.object, facts.column = str(change.type), change.attribute
            facts.cascade = change.cascade
        case _:
            facts.creates_enum = isinstance(change, CreateType) and change.kind == "enum"
            if made := made_by(change):
                facts.object_kind, facts.object = made[0], made[1]


def made_by(change: SchemaChange) -> tuple[str, str] | None:
    """The kind and the bare name of what a change creates; None when it creates nothing."""
    match change:
        case CreateView(name=name, materialized=materialized):
            return ("MATERIALIZED VIEW" if materialized else "VIEW"), name.name
        case CreateType(name=name):
            return "TYPE", name.name
        case CreateDomain(name=name):
            return "DOMAIN", name.name
        case CreateFunction(name=name, kind=kind):
            return kind.upper(), name.name
        case CreateTrigger(name=name):
            return "TRIGGER", name
        case CreateOnTable(name=name, kind=kind):
            return kind, name
        case CreateSchema(name=name):
            return "SCHEMA", name
        case ChangeSequence(name=name, created=True):
            return "SEQUENCE", name.name
        case CreateExtension(name=name):
            return "EXTENSION", name
        case _:
            return None
