"""Functions and procedures, by overload."""

from dataclasses import replace

from migsafe.catalog.columns import exact
from migsafe.catalog.find import with_column
from migsafe.catalog.model import Catalog, Function, Volatility
from migsafe.catalog.persistent import drop, put
from migsafe.sql.changes import AlterFunction, CreateFunction
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.definitions import TypeName
from migsafe.sql.expressions import functions_called
from migsafe.sql.lex import Unlexable, lex
from migsafe.sql.names import Name

Arguments = tuple[TypeName, ...] | None


def create_function(catalog: Catalog, change: CreateFunction) -> Catalog:
    """The catalog with one more overload, or with another body behind an old one."""
    name = change.name if change.name.schema else Name(change.name.name, catalog.creation_schema)
    made = Function(
        name=name,
        arguments=_plain(catalog, change.arguments),
        volatility=Volatility(change.volatility) if change.volatility else Volatility.VOLATILE,
        kind=change.kind,
        returns=exact(catalog, change.returns) if change.returns else None,
        language=change.language,
    )
    others = tuple(f for f in catalog.functions.get(name, ()) if f.arguments != made.arguments)
    return replace(catalog, functions=put(catalog.functions, name, (*others, made)))


def alter_function(catalog: Catalog, change: AlterFunction) -> Catalog:
    """The catalog in which an overload is as volatile as is said now."""
    found = find_function(catalog, change.name, change.arguments)
    if found is None:
        return catalog
    others = (f for f in catalog.functions[found.name] if f is not found)
    now = replace(found, volatility=Volatility(change.volatility))
    return replace(catalog, functions=put(catalog.functions, found.name, (*others, now)))


def drop_function(catalog: Catalog, name: Name, arguments: Arguments, *, cascade: bool) -> Catalog:
    """The catalog without an overload; CASCADE takes triggers and defaults along that call it."""
    found = find_function(catalog, name, arguments)
    if found is None:
        return catalog
    catalog = _without(catalog, found)
    if not cascade:
        return catalog
    for table in list(catalog.tables.values()):
        triggers = tuple(t for t in table.triggers if t.function != found.name)
        if triggers != table.triggers:
            catalog = catalog.with_table(replace(table, triggers=triggers))
        for column in table.columns:
            called = defaults_call(column.default) if column.default else ()
            if {found.name.name, str(found.name)} & set(called):
                now = catalog.tables[table.name]
                catalog = catalog.with_table(with_column(now, replace(column, default=None)))
    return catalog


def move_function(catalog: Catalog, name: Name, arguments: Arguments, new: Name) -> Catalog:
    """The catalog in which an overload has another name or schema; triggers go on calling it."""
    found = find_function(catalog, name, arguments)
    if found is None:
        return catalog
    catalog = _without(catalog, found)
    moved = replace(found, name=new)
    there = catalog.functions.get(new, ())
    catalog = replace(catalog, functions=put(catalog.functions, new, (*there, moved)))
    for table in list(catalog.tables.values()):
        triggers = tuple(replace(t, function=new) if t.function == found.name else t for t in table.triggers)
        if triggers != table.triggers:
            catalog = catalog.with_table(replace(table, triggers=triggers))
    return catalog


def find_function(catalog: Catalog, name: Name, arguments: Arguments) -> Function | None:
    """The overload meant: the one with these arguments, or the only one when none are given."""
    found = catalog.functions_named(name)
    if arguments is None:
        return found[0] if len(found) == 1 else None
    wanted = _plain(catalog, arguments)
    return next((each for each in found if each.arguments == wanted), None)


def defaults_call(text: str) -> tuple[str, ...]:
    """The functions that a default calls; none when it cannot be read."""
    try:
        return functions_called(Cursor(text, lex(text)))
    except (Unreadable, Unlexable):
        return ()


def _plain(catalog: Catalog, arguments: tuple[TypeName, ...]) -> tuple[TypeName, ...]:
    """Types as arguments have them: with their schemas, without modifiers, arrays of one kind."""
    found = (exact(catalog, each) for each in arguments)
    return tuple(
        replace(each, modifiers=(), array_dimensions=min(each.array_dimensions, 1)) for each in found
    )


def _without(catalog: Catalog, function: Function) -> Catalog:
    left = tuple(f for f in catalog.functions.get(function.name, ()) if f is not function)
    functions = (
        put(catalog.functions, function.name, left) if left else drop(catalog.functions, function.name)
    )
    return replace(catalog, functions=functions)
