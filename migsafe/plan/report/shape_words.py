"""What a step adds to the schema, takes away or changes, in a few words."""

import re
from collections.abc import Iterator

from migsafe.plan.model import BackfillStep, Step, VerifyStep
from migsafe.plan.rehearsal import statements_of
from migsafe.plan.sync.pair import is_sync_trigger
from migsafe.sql.changes import (
    AddLabel,
    CreateFunction,
    CreateTrigger,
    CreateType,
    CreateView,
    DropObject,
    MoveObject,
    RenameObject,
    SchemaChange,
)
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AttachPartition,
    CreateIndex,
    CreateTable,
    DetachPartition,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropIndex,
    DropNotNull,
    DropTable,
    Operation,
    OtherStatement,
    OtherTableAction,
    Query,
    RenameColumn,
    RenameConstraint,
    RenameIndex,
    RenameTable,
    SetDefault,
    SetNotNull,
    SetSchema,
    ValidateConstraint,
)
from migsafe.sql.script import read_script

_TOMBSTONE = re.compile(r"\bmigsafe_tomb_\w+")
SYNC_ON, SYNC_OFF = "+ sync triggers", "- sync triggers"


def shape_words(step: Step) -> tuple[str, ...]:
    """What is there behind the step that was not before (+), is gone (-), or has another name (a -> b)."""
    match step:
        case BackfillStep(delete=True):
            return (f"- rows of {step.table.name}",)
        case BackfillStep(copy=copy):
            return (f"{(copy.into if copy else step.table).name} filled",)
        case VerifyStep():
            return ()
        case _:
            words = [
                word
                for statement in statements_of(step)
                for read in read_script(statement).statements
                for operation in read.operations
                for word in _words(operation)
            ]
            return tuple(dict.fromkeys(_TOMBSTONE.sub("a tombstone", word) for word in words))


def _words(operation: Operation) -> Iterator[str]:  # noqa: C901, PLR0912 -- one flat table: operation, its words
    match operation:
        case AddColumn(column=column):
            yield f"+ column {column.name}"
        case DropColumn(column=name):
            yield f"- column {name}"
        case CreateIndex(name=index):
            yield f"+ index {index or ''}".rstrip()
        case DropIndex(index=index):
            yield f"- index {index.name}"
        case AddConstraint(constraint=constraint):
            yield f"+ constraint {constraint.name or ''}".rstrip()
        case ValidateConstraint(constraint=name):
            yield f"{name} proven"
        case DropConstraint(constraint=name):
            yield f"- constraint {name}"
        case SetNotNull(column=name):
            yield f"{name} NOT NULL"
        case DropNotNull(column=name):
            yield f"{name} may be NULL"
        case SetDefault(column=name) | DropDefault(column=name):
            yield f"default of {name}"
        case CreateTable(table=table):
            yield f"+ table {table.name}"
        case DropTable(table=table):
            yield f"- table {table.name}"
        case AttachPartition(partition=table):
            yield f"+ partition {table.name}"
        case DetachPartition(partition=table):
            yield f"- partition {table.name}"
        case RenameColumn(column=old, new_name=new) | RenameConstraint(constraint=old, new_name=new):
            yield f"{old} -> {new}"
        case RenameTable(table=table, new_name=new) | RenameIndex(index=table, new_name=new):
            yield f"{table.name} -> {new}"
        case SetSchema(table=table, new_schema=schema):
            yield f"{table.name} -> {schema}.{table.name}"
        case OtherTableAction(action=action) if action.startswith("ENABLE ALWAYS"):
            pass
        case OtherTableAction(action=action, column=on):
            yield f"{action.lower()} {on or ''}".rstrip()
        case OtherStatement(changes=changes) if changes:
            yield from (word for change in changes for word in _change(change))
        case OtherStatement(tag=tag) if tag != "DO":
            yield tag.lower()
        case Query():
            pass
        case _:
            yield operation.kind.replace("_", " ")


def _change(change: SchemaChange) -> Iterator[str]:
    match change:
        case CreateTrigger(name=name) if is_sync_trigger(name):
            yield SYNC_ON
        case DropObject(kind="TRIGGER", name=dropped) if is_sync_trigger(dropped.name):
            yield SYNC_OFF
        case CreateTrigger(name=name):
            yield f"+ trigger {name}"
        case CreateFunction(name=made) | DropObject(kind="FUNCTION", name=made) if made.schema == "migsafe":
            pass  # what the triggers call
        case CreateFunction(name=made, replaces=replaces):
            yield f"{'' if replaces else '+ '}function {made.name}"
        case CreateView(name=made, replaces=replaces):
            yield f"{'' if replaces else '+ '}view {made.name}"
        case CreateType(name=made):
            yield f"+ type {made.name}"
        case AddLabel(type=made, label=label):
            yield f"+ '{label}' of {made.name}"
        case DropObject(kind=kind, name=dropped):
            yield f"- {kind.lower()} {dropped.name}"
        case RenameObject(name=named, part=part, new_name=new):
            yield f"{part or named.name} -> {new}"
        case MoveObject(name=named, new_schema=schema):
            yield f"{named.name} -> {schema}.{named.name}"
        case _:
            pass
