"""What changes of views, types, domains, sequences, schemas and functions do to tables."""

from collections.abc import Iterable
from dataclasses import replace

from migsafe.catalog.functions import find_function
from migsafe.catalog.model import TEMPORARY_SCHEMA
from migsafe.catalog.sequences import users_of_sequence
from migsafe.catalog.tables import new_name
from migsafe.effects.domains import columns_of_domain, domains_made_of, in_containers
from migsafe.effects.model import Blocks, LockMode
from migsafe.effects.prediction import Prediction
from migsafe.effects.tables import drop_ties
from migsafe.sql.changes import (
    AddLabel,
    AlterDomain,
    ChangeAttribute,
    CreateDomain,
    CreateFunction,
    CreateSchema,
    CreateType,
    CreateView,
    DropObject,
    RenameObject,
    SchemaChange,
)
from migsafe.sql.names import Name
from migsafe.sql.operations import OtherStatement, TypeName

_VIEWS = frozenset({"VIEW", "MATERIALIZED VIEW"})
_ON_TABLES = frozenset({"TRIGGER", "RULE", "POLICY"})
_CHECKED = frozenset({"add", "set not null", "validate"})


def changes_objects(prediction: Prediction, operation: OtherStatement) -> None:
    """Everything that a statement says about objects that are no tables."""
    for change in operation.changes:
        _change(prediction, change)
    if operation.tag == "ALTER DOMAIN" and not operation.changes:
        prediction.unknown(f"which tables use the domain {operation.target}")
        prediction.block(Blocks.WRITES)


def _change(prediction: Prediction, change: SchemaChange) -> None:
    match change:
        case DropObject():
            _drop(prediction, change)
        case CreateView():
            _view(prediction, change)
        case CreateFunction(replaces=False, name=name, arguments=arguments):
            known = find_function(prediction.catalog, name, arguments)
            here = name.schema or prediction.catalog.creation_schema
            if (
                known is not None and known.name.schema == here and known.definition
            ):  # live: then its arguments are exact
                prediction.fail(f"there is a function {name} with these arguments already")
        case AlterDomain():
            _domain(prediction, change)
        case ChangeAttribute():
            _changes_type_in_use(prediction, change)
            _attribute(prediction, change.type, cascade=change.cascade)
        case RenameObject(kind="TYPE", name=name, part_kind="attribute"):
            _attribute(prediction, name, cascade=None)
        case CreateType(name=name) | CreateDomain(name=name):
            _new_type(prediction, name)
        case CreateSchema(name=schema) if prediction.catalog.complete:
            if schema in prediction.catalog.schemas:
                prediction.unknown(f"whether IF NOT EXISTS spares it: there is a schema {schema}")
        case AddLabel():
            _label(prediction, change)
        case _:
            pass


def _drop(prediction: Prediction, change: DropObject) -> None:
    if change.kind in _ON_TABLES:
        _drop_on_table(prediction, change)
    elif change.kind in _VIEWS:
        _drop_view(prediction, change)
    elif change.kind in {"TYPE", "DOMAIN"}:
        _drop_type(prediction, change)
    elif change.kind == "SEQUENCE":
        sequence = prediction.catalog.sequence(change.name)
        users = users_of_sequence(prediction.catalog, sequence) if sequence else ()
        _drop_used(prediction, change, users)
    elif change.kind == "SCHEMA":
        _drop_schema(prediction, change)
    elif change.kind in {"FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE"}:
        _drop_function(prediction, change)
    elif change.cascade:
        prediction.unknown(f"what uses the {change.kind.lower()} {change.name}")


def _drop_schema(prediction: Prediction, change: DropObject) -> None:
    catalog, schema = prediction.catalog, change.name.name
    tables = [
        member for name in catalog.tables if name.schema == schema for member in prediction.family(name)
    ]
    inside = [*tables, *(name for name in catalog.views if name.schema == schema)]
    types = [name for name in (*catalog.types, *catalog.domains) if name.schema == schema]
    users = [user for name in types for user in _users_of_type(prediction, name)]
    counted = [
        user
        for sequence in catalog.sequences.values()
        if sequence.name.schema == schema
        for user in users_of_sequence(catalog, sequence)
    ]
    _drop_used(prediction, change, [*inside, *users, *counted, *prediction.readers(inside)])
    if change.cascade:
        drop_ties(prediction, tables, cascade=True)
        if any(name.schema == schema for name in catalog.functions):
            prediction.unknown(f"what uses the functions of the schema {schema}")


def _drop_used(prediction: Prediction, change: DropObject, users: Iterable[Name]) -> None:
    """Something that tables and views use: with CASCADE they lose what uses it, without it is refused."""
    found = list(dict.fromkeys(users))
    if not change.cascade:
        if found:
            prediction.fail(f"{found[0]} needs it")
        return
    prediction.lock(found, LockMode.ACCESS_EXCLUSIVE)
    if not prediction.catalog.complete:
        prediction.unknown(f"what uses the {change.kind.lower()} {change.name}")


def _drop_on_table(prediction: Prediction, change: DropObject) -> None:
    if change.table is None or prediction.is_missing(change.table):
        return
    table = prediction.table(change.table)
    names: tuple[str, ...] | None = None
    if table is not None and prediction.catalog.complete:
        known = {
            "TRIGGER": tuple(t.name for t in table.triggers),
            "RULE": table.rules,
            "POLICY": table.policies,
        }
        names = known[change.kind]
    if names is not None and change.name.name not in names:
        if not change.if_exists:
            prediction.fail(f"{change.table} has no {change.kind.lower()} {change.name}")
        return
    members = prediction.partitions(change.table) if change.kind == "TRIGGER" else (change.table,)
    if len(members) > 1:
        prediction.unknown(f"whether the trigger {change.name} is there for each row")
    prediction.lock(members, LockMode.ACCESS_EXCLUSIVE)


def _drop_view(prediction: Prediction, change: DropObject) -> None:
    if prediction.skips(change.name, if_exists=change.if_exists):
        return
    prediction.lock([change.name], LockMode.ACCESS_EXCLUSIVE)
    readers = prediction.readers([change.name])
    if change.cascade:
        prediction.lock(readers, LockMode.ACCESS_EXCLUSIVE)
        if not prediction.catalog.complete:
            prediction.unknown(f"which views read {change.name}")
    elif readers:
        prediction.unknown(f"whether the view {readers[0]} goes in the same statement")


def _drop_type(prediction: Prediction, change: DropObject) -> None:
    catalog = prediction.catalog
    written = TypeName(name=change.name.name, schema=change.name.schema)
    name = catalog.resolve_type(written)
    if name is None:
        if catalog.complete and not change.if_exists:
            prediction.fail(f"there is no type {change.name}")
        return
    users = _users_of_type(prediction, name)
    below = domains_made_of(catalog, name)
    if below and not change.cascade:
        prediction.fail(f"the domain {below[0]} is made of it")
    _drop_used(prediction, change, [*users, *prediction.readers(users)] if change.cascade else users)
    if change.cascade and (users or prediction.readers(users)):
        prediction.unknown(f"what else uses the type {change.name}")


def _users_of_type(prediction: Prediction, name: Name) -> list[Name]:
    """The tables with a column of this type, or an array of it, and the tables made of it."""
    catalog = prediction.catalog
    names = {name, *domains_made_of(catalog, name)}
    return [
        table.name
        for table in catalog.tables.values()
        if table.of_type == name
        or any(
            catalog.resolve_type(replace(column.type, array_dimensions=0)) in names
            for column in table.columns
        )
    ]


def _drop_function(prediction: Prediction, change: DropObject) -> None:
    name = change.name
    users = [
        table.name
        for table in prediction.catalog.tables.values()
        if any(t.function is not None and t.function.name == name.name for t in table.triggers)
    ]
    _drop_used(prediction, change, users)
    if change.cascade:
        prediction.unknown(f"what else uses the function {name}")


def _view(prediction: Prediction, change: CreateView) -> None:
    reads = (prediction.catalog.resolve(name) for name in change.reads)
    temporary = change.temporary or any(name.schema == TEMPORARY_SCHEMA for name in reads)
    resolved = new_name(prediction.catalog, change.name, temporary=temporary)
    if not prediction.catalog.has_relation(resolved):
        return
    if change.replaces:
        prediction.lock([resolved], LockMode.ACCESS_EXCLUSIVE)
    elif not change.if_not_exists:
        prediction.fail(f"there is a relation {change.name} already")


def _domain(prediction: Prediction, change: AlterDomain) -> None:
    """A new demand on a domain is held against every row of every table that uses it."""
    catalog = prediction.catalog
    name = catalog.resolve_type(TypeName(name=change.name.name, schema=change.name.schema))
    if name is None and catalog.complete:
        prediction.fail(f"there is no domain {change.name}")
        return
    if not change.action.startswith(tuple(_CHECKED)):
        return
    constraint = change.constraint
    if constraint is not None and constraint.not_valid:
        return
    if name is None or not catalog.complete:
        prediction.unknown(f"which tables use the domain {change.name}")
        prediction.block(Blocks.WRITES)
    users = columns_of_domain(catalog, name) if name else ()
    if name and in_containers(catalog, name):
        prediction.fail(f"{in_containers(catalog, name)[0]} has a column that is an array of it")
    stored = [user for user in users if not prediction.is_partitioned(user)]
    prediction.lock(stored, LockMode.SHARE)
    prediction.scan(stored)
    for reader in prediction.readers(users):
        view = catalog.view(reader)
        if view is not None and view.materialized:
            prediction.unknown(f"whether a column of {reader} is of the domain {change.name}")
            prediction.lock([reader], LockMode.SHARE)
            prediction.scan([reader])


def _changes_type_in_use(prediction: Prediction, change: ChangeAttribute) -> None:
    """The type of an attribute cannot change while a column holds values of the composite type."""
    catalog = prediction.catalog
    name = catalog.resolve_type(TypeName(name=change.type.name, schema=change.type.schema))
    known = catalog.types.get(name) if name else None
    if name is None or known is None or change.definition is None:
        return
    if any(attribute.name == change.attribute for attribute in known.attributes):
        users = [user for user in _users_of_type(prediction, name) if not _is_of(prediction, user, name)]
        if users:
            prediction.fail(f"{users[0]} has a column of this type")


def _is_of(prediction: Prediction, table: Name, name: Name) -> bool:
    found = prediction.table(table)
    return found is not None and found.of_type == name


def _attribute(prediction: Prediction, written: Name, *, cascade: bool | None) -> None:
    """A composite type changes together with the tables that are made of it, if CASCADE says so."""
    name = prediction.catalog.resolve_type(TypeName(name=written.name, schema=written.schema))
    typed = [table.name for table in prediction.catalog.tables.values() if name and table.of_type == name]
    if not typed:
        return
    if cascade is None:
        prediction.unknown(f"whether CASCADE changes the tables of type {written} too")
    if cascade is False:
        prediction.fail(f"{typed[0]} is a table of this type: it changes with CASCADE only")
    prediction.lock(typed, LockMode.ACCESS_EXCLUSIVE)


def _new_type(prediction: Prediction, written: Name) -> None:
    catalog = prediction.catalog
    name = written if written.schema else Name(written.name, catalog.creation_schema)
    if name in catalog.types or name in catalog.domains:
        prediction.fail(f"there is a type {written} already")


def _label(prediction: Prediction, change: AddLabel) -> None:
    name = prediction.catalog.resolve_type(TypeName(name=change.type.name, schema=change.type.schema))
    known = prediction.catalog.types.get(name) if name else None
    if known is not None and change.label in known.labels and not change.if_not_exists:
        prediction.fail(f"{change.type} has a value {change.label} already")
