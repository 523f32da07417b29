"""What takes back a new view, function, type, trigger, or another object that is no table."""

from migsafe.catalog.functions import find_function
from migsafe.catalog.model import Catalog
from migsafe.plan.recipes.objects.parts import type_sql
from migsafe.sql.changes import (
    ChangeSequence,
    CreateDomain,
    CreateExtension,
    CreateFunction,
    CreateOnTable,
    CreateSchema,
    CreateTrigger,
    CreateType,
    CreateView,
    RenameObject,
)
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import OtherStatement


def undo_of_object(  # noqa: PLR0911 -- one flat table: what came, how it goes
    operation: OtherStatement, catalog: Catalog
) -> tuple[str, ...] | None:
    """What takes back a new view, function, type, trigger or their like; None for all that is not new."""
    if len(operation.changes) != 1:
        return None
    change = operation.changes[0]
    match change:
        case CreateView(name=name, temporary=False):
            kind = "MATERIALIZED VIEW" if change.materialized else "VIEW"
            return (f"DROP {kind} IF EXISTS {_full(name, catalog)}",)
        case CreateFunction(name=name, arguments=arguments) if (
            find_function(catalog, name, arguments) is None
        ):
            types = ", ".join(type_sql(each) for each in arguments)
            return (f"DROP ROUTINE IF EXISTS {_full(name, catalog)}({types})",)
        case CreateType(name=name):
            return (f"DROP TYPE IF EXISTS {_full(name, catalog)}",)
        case CreateDomain(name=name):
            return (f"DROP DOMAIN IF EXISTS {_full(name, catalog)}",)
        case ChangeSequence(name=name, created=True, temporary=False) if catalog.sequence(name) is None:
            return (f"DROP SEQUENCE IF EXISTS {_full(name, catalog)}",)
        case CreateTrigger(name=trigger, table=table):
            relation = catalog.resolve(table)
            return (f"DROP TRIGGER IF EXISTS {quote_identifier(trigger)} ON {relation.sql}",)
        case CreateOnTable(kind="POLICY" | "RULE" as kind, name=part, table=table):
            relation = catalog.resolve(table)
            return (f"DROP {kind} IF EXISTS {quote_identifier(part)} ON {relation.sql}",)
        case CreateSchema(name=schema) if schema not in catalog.schemas:
            return (f"DROP SCHEMA IF EXISTS {quote_identifier(schema)}",)
        case CreateExtension(name=extension) if extension not in catalog.extensions:
            return (f"DROP EXTENSION IF EXISTS {quote_identifier(extension)}",)
        case RenameObject(kind="TRIGGER" | "POLICY" as kind, name=name, table=Name() as table):
            names = f"{quote_identifier(change.new_name)} ON {catalog.resolve(table).sql}"
            return (f"ALTER {kind} {names} RENAME TO {quote_identifier(name.name)}",)
        case _:
            return None


def _full(name: Name, catalog: Catalog) -> str:
    return (name if name.schema else Name(name.name, catalog.creation_schema)).sql
