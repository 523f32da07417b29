"""What statements about views, types, functions, sequences, triggers and schemas change in a catalog."""

from collections.abc import Callable
from dataclasses import replace

from migsafe.catalog import functions, sequences, types, views
from migsafe.catalog.find import known
from migsafe.catalog.keys import attach_index
from migsafe.catalog.model import Catalog, Extension, Function, Table, Trigger
from migsafe.catalog.renames import move_relation, rename_column
from migsafe.catalog.tables import drop_table
from migsafe.sql import changes as to
from migsafe.sql.names import Name

RENAMES_COPIES = 150000
_RELATIONS = frozenset({"VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE"})
_TYPES = frozenset({"TYPE", "DOMAIN"})
_CALLED = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE", "ROUTINE"})


def apply_change(  # noqa: C901, PLR0911, PLR0912 -- one flat table: change, what it does
    catalog: Catalog, change: to.SchemaChange, *, script: str | None
) -> Catalog:
    """The catalog after one change of something that is neither a table nor an index."""
    match change:
        case to.CreateView():
            return views.create_view(catalog, change, script=script)
        case to.CreateType():
            return types.create_type(catalog, change)
        case to.AddLabel():
            return types.add_label(catalog, change)
        case to.ChangeAttribute():
            return types.change_attribute(catalog, change)
        case to.CreateDomain():
            return types.create_domain(catalog, change)
        case to.AlterDomain():
            return types.alter_domain(catalog, change)
        case to.CreateFunction():
            return functions.create_function(catalog, change)
        case to.AlterFunction():
            return functions.alter_function(catalog, change)
        case to.ChangeSequence():
            return sequences.change_sequence(catalog, change)
        case to.CreateTrigger():
            return _create_trigger(catalog, change)
        case to.CreateOnTable():
            return _create_on_table(catalog, change)
        case to.CreateSchema(name=name):
            return replace(catalog, schemas=catalog.schemas | {name})
        case to.CreateExtension(name=name, schema=schema):
            return replace(
                catalog, extensions={**catalog.extensions, name: Extension(name=name, schema=schema)}
            )
        case to.AttachIndex(index=index, partition=partition):
            return attach_index(catalog, index, partition)
        case to.DropObject():
            return _drop(catalog, change)
        case to.RenameObject():
            return _rename(catalog, change)
        case to.MoveObject():
            return _move(catalog, change)
        case to.NotFollowed(reason=reason):
            return catalog.with_doubt(reason)
        case _:
            return catalog


def _create_trigger(catalog: Catalog, change: to.CreateTrigger) -> Catalog:
    function = _function_name(catalog, change.function)
    trigger = Trigger(
        name=change.name, before_row=change.before and change.row, function=function, row=change.row
    )
    view = catalog.view(change.table)
    if view is not None:
        others = tuple(t for t in view.triggers if t.name != trigger.name)
        return catalog.with_view(replace(view, triggers=(*others, trigger)))
    return _put_trigger(catalog, known(catalog, change.table), trigger)


def _put_trigger(catalog: Catalog, table: Table, trigger: Trigger) -> Catalog:
    others = tuple(t for t in table.triggers if t.name != trigger.name)
    catalog = catalog.with_table(replace(table, triggers=(*others, trigger)))
    for child in catalog.children(table.name) if table.partitioned and trigger.row else ():
        catalog = _put_trigger(catalog, child, trigger)
    return catalog


def _function_name(catalog: Catalog, name: Name) -> Name:
    found: tuple[Function, ...] = catalog.functions_named(name)
    if found:
        return found[0].name
    return name if name.schema else Name(name.name, catalog.creation_schema)


def _create_on_table(catalog: Catalog, change: to.CreateOnTable) -> Catalog:
    if change.kind == "FOREIGN TABLE":
        name = change.table if change.table.schema else Name(change.name, catalog.creation_schema)
        return catalog.with_table(Table(name=name, foreign=True, columns_complete=False))
    if catalog.view(change.table) is not None:
        return catalog
    table = known(catalog, change.table)
    if change.kind == "POLICY":
        return catalog.with_table(replace(table, policies=_with(table.policies, change.name)))
    return catalog.with_table(replace(table, rules=_with(table.rules, change.name)))


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(sorted({*names, name}))


def _drop(catalog: Catalog, change: to.DropObject) -> Catalog:
    name, cascade = change.name, change.cascade
    match change.kind:
        case "VIEW" | "MATERIALIZED VIEW":
            return views.drop_view(catalog, name, cascade=cascade)
        case "SEQUENCE":
            return sequences.drop_sequence(catalog, name, cascade=cascade)
        case "FOREIGN TABLE":
            return drop_table(catalog, name, cascade=cascade)
        case kind if kind in _TYPES:
            return types.drop_type(catalog, name, cascade=cascade)
        case kind if kind in _CALLED:
            return functions.drop_function(catalog, name, change.arguments, cascade=cascade)
        case "SCHEMA":
            return _drop_schema(catalog, name.name)
        case "EXTENSION":
            left = {key: value for key, value in catalog.extensions.items() if key != name.name}
            catalog = replace(catalog, extensions=left)
            return catalog.with_doubt("DROP EXTENSION CASCADE") if cascade else catalog
        case "TRIGGER" | "POLICY" | "RULE" if change.table:
            return _drop_on_table(catalog, change.kind, change.table, name.name)
        case _:
            return catalog


def _drop_on_table(catalog: Catalog, kind: str, on: Name, name: str) -> Catalog:
    view = catalog.view(on)
    if view is not None:
        triggers = tuple(t for t in view.triggers if t.name != name or kind != "TRIGGER")
        return catalog.with_view(replace(view, triggers=triggers))
    table = catalog.table(on)
    if table is None:
        return catalog
    if kind == "TRIGGER":
        gone = next((t for t in table.triggers if t.name == name), None)
        return _drop_trigger(catalog, table, gone) if gone else catalog
    if kind == "POLICY":
        return catalog.with_table(replace(table, policies=tuple(p for p in table.policies if p != name)))
    return catalog.with_table(replace(table, rules=tuple(r for r in table.rules if r != name)))


def _drop_trigger(catalog: Catalog, table: Table, gone: Trigger) -> Catalog:
    triggers = tuple(t for t in table.triggers if t is not gone)
    catalog = catalog.with_table(replace(table, triggers=triggers))
    for child in catalog.children(table.name) if table.partitioned and gone.row else ():
        # Its partitions' copies may still have an older name, see _rename_on_table.
        alike = [t for t in child.triggers if (t.function, t.row) == (gone.function, gone.row)]
        copy = next((t for t in alike if t.name == gone.name), alike[0] if alike else None)
        catalog = _drop_trigger(catalog, child, copy) if copy else catalog
    return catalog


def _drop_schema(catalog: Catalog, schema: str) -> Catalog:
    """All that is in it goes: without CASCADE there is nothing in it."""
    for view in [name for name in catalog.views if name.schema == schema]:
        catalog = views.drop_view(catalog, view, cascade=True)
    for table in [name for name in catalog.tables if name.schema == schema]:
        catalog = drop_table(catalog, table)
    for sequence in [name for name in catalog.sequences if name.schema == schema]:
        catalog = sequences.drop_sequence(catalog, sequence, cascade=True)
    for made in [*catalog.types, *catalog.domains]:
        if made.schema == schema:
            catalog = types.drop_type(catalog, made, cascade=True)
    for name in [name for name in catalog.functions if name.schema == schema]:
        for each in catalog.functions.get(name, ()):
            catalog = functions.drop_function(catalog, name, each.arguments, cascade=True)
    return replace(catalog, schemas=catalog.schemas - {schema})


def _rename(catalog: Catalog, change: to.RenameObject) -> Catalog:
    kind, name, new = change.kind, change.name, change.new_name
    if change.part is not None and kind in _TYPES:
        return types.rename_part(catalog, change)
    if change.part is not None:
        return rename_column(catalog, name, change.part, new)
    if kind in {"TRIGGER", "POLICY", "RULE"} and change.table:
        return _rename_on_table(catalog, kind, change.table, (name.name, new))
    if kind == "SCHEMA":
        return _rename_schema(catalog, name.name, new)
    return _put_elsewhere(catalog, change, lambda found: Name(new, found.schema))


def _move(catalog: Catalog, change: to.MoveObject) -> Catalog:
    if change.kind == "EXTENSION":
        moved = Extension(name=change.name.name, schema=change.new_schema)
        return replace(catalog, extensions={**catalog.extensions, change.name.name: moved})
    return _put_elsewhere(catalog, change, lambda found: Name(found.name, change.new_schema))


def _put_elsewhere(
    catalog: Catalog, change: to.RenameObject | to.MoveObject, new: Callable[[Name], Name]
) -> Catalog:
    kind, name = change.kind, change.name
    if kind in _RELATIONS:
        found = catalog.resolve(name)
        return move_relation(catalog, found, new(found))
    if kind in _TYPES:
        known_type = types.find_type(catalog, name) or types.find_domain(catalog, name)
        return types.move_type(catalog, known_type.name, new(known_type.name)) if known_type else catalog
    if kind in _CALLED:
        function = functions.find_function(catalog, name, change.arguments)
        if function is None:
            return catalog
        return functions.move_function(catalog, function.name, function.arguments, new(function.name))
    return catalog


def _rename_on_table(catalog: Catalog, kind: str, on: Name, names: tuple[str, str]) -> Catalog:
    old, new = names
    table = catalog.table(on)
    if table is None:
        return catalog
    if kind == "TRIGGER":
        triggers = tuple(replace(t, name=new) if t.name == old else t for t in table.triggers)
        catalog = catalog.with_table(replace(table, triggers=triggers))
        # Up to PostgreSQL 14 a partition's copy keeps its name.
        renames = table.partitioned and (catalog.server_version or RENAMES_COPIES) >= RENAMES_COPIES
        for child in catalog.children(table.name) if renames else ():
            catalog = _rename_on_table(catalog, kind, child.name, names)
        return catalog
    if kind == "POLICY":
        policies = _with(tuple(p for p in table.policies if p != old), new)
        return catalog.with_table(replace(table, policies=policies))
    return catalog.with_table(replace(table, rules=_with(tuple(r for r in table.rules if r != old), new)))


def _rename_schema(catalog: Catalog, old: str, new: str) -> Catalog:
    catalog = replace(catalog, schemas=(catalog.schemas - {old}) | {new})
    for made in [*catalog.types, *catalog.domains]:
        if made.schema == old:
            catalog = types.move_type(catalog, made, Name(made.name, new))
    for name in [name for name in catalog.functions if name.schema == old]:
        for each in catalog.functions.get(name, ()):
            catalog = functions.move_function(catalog, name, each.arguments, Name(name.name, new))
    for name in [*catalog.tables, *catalog.views, *catalog.sequences]:
        if name.schema == old and catalog.has_relation(name):
            catalog = move_relation(catalog, name, Name(name.name, new))
    return catalog
