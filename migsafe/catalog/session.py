"""What of a catalog belongs to the session and the transaction: the search path, temporary tables.

https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH
"""

from dataclasses import replace

from migsafe.catalog.model import Catalog
from migsafe.catalog.persistent import drop
from migsafe.catalog.tables import drop_table
from migsafe.catalog.views import drop_view
from migsafe.sql.operations import ResetSetting, SetSetting

_PATH = "search_path"


def apply_setting(catalog: Catalog, operation: SetSetting | ResetSetting) -> Catalog:
    """The catalog with another search path, if it is that which is set."""
    match operation:
        case SetSetting(name=name, value=value, local=local) if name.lower() == _PATH:
            path = catalog.default_path if value is None else parse_path(value)
            if local:
                before = catalog.session_path if catalog.session_path is not None else catalog.search_path
                return replace(catalog, search_path=path, session_path=before)
            return replace(catalog, search_path=path, session_path=None)
        case ResetSetting(name=name) if name is None or name.lower() == _PATH:
            return replace(catalog, search_path=catalog.default_path, session_path=None)
        case _:
            return catalog


def parse_path(value: str) -> tuple[str, ...]:
    """The schemas of a search path. "$user" is left out: it is there only for roles with such a schema."""
    parts = (part.strip() for part in value.split(","))
    names = (part[1:-1].replace('""', '"') if part.startswith('"') else part for part in parts)
    return tuple(name for name in names if name not in {"", "$user"})


def next_transaction(catalog: Catalog) -> Catalog:
    """The catalog in a transaction that has made nothing yet."""
    return catalog.in_next_transaction()


def committed(catalog: Catalog) -> Catalog:
    """The catalog after COMMIT: SET LOCAL ends, and so does what ON COMMIT DROP made."""
    if catalog.session_path is not None:
        catalog = replace(catalog, search_path=catalog.session_path, session_path=None)
    for name in catalog.temporaries:
        table = catalog.tables.get(name)
        if table and table.drops_on_commit:
            catalog = drop_table(catalog, name)
    return next_transaction(catalog)


def new_session(catalog: Catalog) -> Catalog:
    """The catalog as the next session finds it."""
    catalog = committed(catalog)
    for name in catalog.temporaries:
        catalog = drop_table(catalog, name) if name in catalog.tables else catalog
        catalog = drop_view(catalog, name, cascade=True)
        catalog = replace(catalog, sequences=drop(catalog.sequences, name))
    return replace(catalog, search_path=catalog.default_path, session_path=None, temporaries=frozenset())
