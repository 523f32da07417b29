"""Privileges of a table, for something that stands in for it."""

from collections.abc import Iterator

from migsafe.catalog.model import Grant, Table
from migsafe.sql.names import Name, quote_identifier

# What a view can have no use for.
_ONLY_OF_TABLES = frozenset({"TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"})


def copy_grants(table: Table, target: Name, *, to_view: bool = False) -> Iterator[str]:
    """GRANT what is granted on the table, and all to its owner: who runs this may be somebody else."""
    if table.owner is not None:
        yield f"GRANT ALL ON {target.sql} TO {quote_identifier(table.owner)}"
    for grant in table.grants:
        if not (to_view and grant.privilege in _ONLY_OF_TABLES):
            yield _statement(grant, target)


def _statement(grant: Grant, target: Name) -> str:
    columns = ", ".join(quote_identifier(column) for column in grant.columns)
    what = f"{grant.privilege} ({columns})" if columns else grant.privilege
    role = quote_identifier(grant.grantee) if grant.grantee is not None else "PUBLIC"
    option = " WITH GRANT OPTION" if grant.grantable else ""
    return f"GRANT {what} ON {target.sql} TO {role}{option}"
