"""Enums, composite types and domains."""

from collections.abc import Callable
from dataclasses import replace

from migsafe.catalog.columns import drop_column, exact, stored
from migsafe.catalog.find import with_column
from migsafe.catalog.model import Catalog, Constraint, Domain, Function, TypeKind, UserType
from migsafe.catalog.names import constraint_name
from migsafe.catalog.persistent import drop, put
from migsafe.catalog.views import doubt_readers
from migsafe.sql.changes import (
    AddLabel,
    AlterDomain,
    ChangeAttribute,
    CreateDomain,
    CreateType,
    RenameObject,
)
from migsafe.sql.definitions import ConstraintDefinition, ConstraintKind, TypeName
from migsafe.sql.names import Name


def create_type(catalog: Catalog, change: CreateType) -> Catalog:
    """The catalog with an enum, a composite type, a range or a base type.

    CREATE TYPE name; makes a shell, which nothing can use until a later statement fills it.
    """
    if change.kind == "shell":
        return catalog
    name = _new(catalog, change.name)
    made = UserType(
        name=name,
        kind=TypeKind(change.kind),
        labels=change.labels,
        attributes=tuple(stored(catalog, each, None) for each in change.attributes),
        created_by=catalog.transaction,
    )
    return _put(catalog, made)


def add_label(catalog: Catalog, change: AddLabel) -> Catalog:
    """The catalog in which an enum has one more label, which its own transaction cannot use yet."""
    found = find_type(catalog, change.type)
    if found is None or change.label in found.labels:
        return catalog
    labels = list(found.labels)
    if change.before in labels:
        at = labels.index(change.before)
    elif change.after in labels:
        at = labels.index(change.after) + 1
    else:
        at = len(labels)
    labels.insert(at, change.label)
    same = found.labels_by == catalog.transaction
    new = (*(found.new_labels if same else ()), change.label)
    fresh = found.created_by == catalog.transaction
    return _put(
        catalog,
        replace(
            found,
            labels=tuple(labels),
            new_labels=() if fresh else new,
            labels_by=None if fresh else catalog.transaction,
        ),
    )


def change_attribute(catalog: Catalog, change: ChangeAttribute) -> Catalog:
    """The catalog in which a composite type has an attribute more, less, or of another type."""
    found = find_type(catalog, change.type)
    if found is None:
        return catalog
    if change.definition is None:
        attributes = tuple(each for each in found.attributes if each.name != change.attribute)
    else:
        new = stored(catalog, change.definition, None)
        attributes = tuple(new if each.name == new.name else each for each in found.attributes)
        if new.name not in {each.name for each in attributes}:
            attributes = (*attributes, new)
    catalog = _put(catalog, replace(found, attributes=attributes))
    if not change.cascade:
        return catalog
    for table in list(catalog.tables.values()):
        if table.of_type != found.name:
            continue
        if change.definition is None:
            catalog = drop_column(catalog, table.name, change.attribute)
        else:
            catalog = catalog.with_table(with_column(table, stored(catalog, change.definition, None)))
    return catalog


def rename_part(catalog: Catalog, change: RenameObject) -> Catalog:
    """A label, an attribute or a domain's constraint with another name."""
    if found := find_type(catalog, change.name):
        labels = tuple(change.new_name if each == change.part else each for each in found.labels)
        if change.part_kind == "value":
            return _put(catalog, replace(found, labels=labels))
        attributes = tuple(
            replace(each, name=change.new_name) if each.name == change.part else each
            for each in found.attributes
        )
        return _put(catalog, replace(found, attributes=attributes))
    if domain := find_domain(catalog, change.name):
        constraints = tuple(
            replace(each, name=change.new_name) if each.name == change.part else each
            for each in domain.constraints
        )
        return _put_domain(catalog, replace(domain, constraints=constraints))
    return catalog


def create_domain(catalog: Catalog, change: CreateDomain) -> Catalog:
    """The catalog with a domain."""
    column = change.column
    domain = Domain(
        name=_new(catalog, change.name),
        base=exact(catalog, column.type),
        not_null=column.not_null,
        default=column.default.text if column.default else None,
        created_by=catalog.transaction,
    )
    for each in column.constraints:
        if each.kind is ConstraintKind.CHECK:
            domain = _with_constraint(domain, replace(each, not_valid=False))
    return _put_domain(catalog, domain)


def alter_domain(catalog: Catalog, change: AlterDomain) -> Catalog:
    """The catalog in which a domain demands something else."""
    domain = find_domain(catalog, change.name)
    if domain is None:
        return catalog
    match change.action:
        case "set default":
            domain = replace(domain, default=change.default.text if change.default else None)
        case "drop default":
            domain = replace(domain, default=None)
        case "set not null":
            domain = replace(domain, not_null=True)
        case "drop not null":
            domain = replace(domain, not_null=False)
        case "add" if change.constraint:
            domain = _with_constraint(domain, change.constraint)
        case "drop":
            left = tuple(each for each in domain.constraints if each.name != change.constraint_name)
            # From PostgreSQL 17 on a domain's NOT NULL has a name too.
            nullable = len(left) == len(domain.constraints) and domain.not_null
            domain = replace(domain, constraints=left, not_null=domain.not_null and not nullable)
        case _:
            constraints = tuple(
                replace(each, validated=True) if each.name == change.constraint_name else each
                for each in domain.constraints
            )
            domain = replace(domain, constraints=constraints)
    return _put_domain(catalog, domain)


def drop_type(catalog: Catalog, name: Name, *, cascade: bool) -> Catalog:
    """The catalog without a type or a domain; CASCADE takes the columns of this type along."""
    found = find_type(catalog, name) or find_domain(catalog, name)
    if found is None:
        return catalog
    if cascade:
        for table in list(catalog.tables.values()):
            for column in table.columns:
                if catalog.resolve_type(column.type) == found.name:
                    catalog = doubt_readers(catalog, table.name)
                    catalog = drop_column(catalog, table.name, column.name)
        catalog = _with_functions(catalog, lambda each: None if _uses(each, found.name) else each)
        for domain in list(catalog.domains.values()):
            if catalog.resolve_type(domain.base) == found.name:
                catalog = drop_type(catalog, domain.name, cascade=True)
    return replace(catalog, types=drop(catalog.types, found.name), domains=drop(catalog.domains, found.name))


def move_type(catalog: Catalog, was: Name, name: Name) -> Catalog:
    """The catalog in which a type or domain has another name, everywhere it is used."""
    if found := catalog.types.get(was):
        catalog = replace(catalog, types=put(drop(catalog.types, was), name, replace(found, name=name)))
    elif domain := catalog.domains.get(was):
        domains = put(drop(catalog.domains, was), name, replace(domain, name=name))
        catalog = replace(catalog, domains=domains)
    else:
        return catalog
    for table in list(catalog.tables.values()):
        columns = tuple(replace(c, type=_renamed(c.type, was, name)) for c in table.columns)
        if columns != table.columns or table.of_type == was:
            of_type = name if table.of_type == was else table.of_type
            catalog = catalog.with_table(replace(table, columns=columns, of_type=of_type))
    for domain in list(catalog.domains.values()):
        if (base := _renamed(domain.base, was, name)) != domain.base:
            catalog = _put_domain(catalog, replace(domain, base=base))
    for each in list(catalog.types.values()):
        attributes = tuple(replace(a, type=_renamed(a.type, was, name)) for a in each.attributes)
        if attributes != each.attributes:
            catalog = _put(catalog, replace(each, attributes=attributes))
    return _with_functions(
        catalog,
        lambda each: replace(
            each,
            arguments=tuple(_renamed(a, was, name) for a in each.arguments),
            returns=_renamed(each.returns, was, name) if each.returns else None,
        ),
    )


def _uses(function: Function, name: Name) -> bool:
    types = (*function.arguments, *((function.returns,) if function.returns else ()))
    return any((each.name, each.schema) == (name.name, name.schema) for each in types)


def _with_functions(catalog: Catalog, change: Callable[[Function], Function | None]) -> Catalog:
    """The catalog in which every function is changed in this way; None takes it away."""
    for name, overloads in list(catalog.functions.items()):
        now = tuple(each for each in map(change, overloads) if each is not None)
        if now != overloads:
            functions = put(catalog.functions, name, now) if now else drop(catalog.functions, name)
            catalog = replace(catalog, functions=functions)
    return catalog


def find_type(catalog: Catalog, name: Name) -> UserType | None:
    """The type of this name that is no domain."""
    found = catalog.resolve_type(TypeName(name=name.name, schema=name.schema))
    return catalog.types.get(found) if found else None


def find_domain(catalog: Catalog, name: Name) -> Domain | None:
    """The domain of this name."""
    return catalog.domain(TypeName(name=name.name, schema=name.schema))


def _renamed(written: TypeName, was: Name, name: Name) -> TypeName:
    if (written.name, written.schema) != (was.name, was.schema):
        return written
    return replace(written, name=name.name, schema=name.schema)


def _with_constraint(domain: Domain, definition: ConstraintDefinition) -> Domain:
    taken = {each.name for each in domain.constraints}
    named = replace(definition, columns=())
    constraint = Constraint(
        name=constraint_name(domain.name.name, named, lambda name: name not in taken),
        kind=ConstraintKind.CHECK,
        columns=(),
        definition=definition.text,
        validated=not definition.not_valid,
    )
    return replace(domain, constraints=(*domain.constraints, constraint))


def _new(catalog: Catalog, name: Name) -> Name:
    return name if name.schema else Name(name.name, catalog.creation_schema)


def _put(catalog: Catalog, made: UserType) -> Catalog:
    return replace(catalog, types=put(catalog.types, made.name, made))


def _put_domain(catalog: Catalog, made: Domain) -> Catalog:
    return replace(catalog, domains=put(catalog.domains, made.name, made))
