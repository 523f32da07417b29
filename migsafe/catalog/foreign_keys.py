"""When a partition's own foreign key becomes its part of its parent's, instead of a new one.

tryAttachPartitionForeignKey in src/backend/commands/tablecmds.c
"""

import re
from dataclasses import replace

from migsafe.catalog.model import Catalog, Constraint, Table

# From here on a key that is NOT VALID is taken over too, and validated where the parent's is valid.
NOT_VALID_SINCE = 180000
_OPTION = re.compile(
    r"\bon\s+(?:delete|update)\s+(?:no\s+action|restrict|cascade|set\s+null|set\s+default)"
    r"|\bmatch\s+\w+|\binitially\s+deferred|(?<!not\s)\bdeferrable",
    re.IGNORECASE,
)
_GOES_WITHOUT_SAYING = frozenset({"on delete no action", "on update no action", "match simple"})


def own_part(table: Table, key: Constraint, server_version: int | None) -> Constraint | None:
    """The foreign key of a partition that becomes its part of its parent's; None when it gets a new one.

    Of a server that is not known, the newest is taken.
    """
    if key.references is None:
        return None
    newest = server_version is None or server_version >= NOT_VALID_SINCE
    wanted = _says(key)
    return next(
        (
            own
            for own in table.constraints
            if own.parent is None and (own.validated or newest) and own.references and _says(own) == wanted
        ),
        None,
    )


def take_part(catalog: Catalog, table: Table, own: Constraint, key: Constraint) -> Catalog:
    """The catalog in which a partition's own key is its part of its parent's."""
    mine = replace(own, inherited=True, parent=key.name)
    constraints = tuple(mine if each is own else each for each in table.constraints)
    return catalog.with_table(replace(table, constraints=constraints))


def _says(key: Constraint) -> tuple[object, ...]:
    """What a foreign key says of columns, deferring, matching and actions."""
    found = {" ".join(match.lower().split()) for match in _OPTION.findall(key.definition)}
    if "initially deferred" in found:
        found.add("deferrable")
    return key.references, key.columns, key.referenced_columns, frozenset(found - _GOES_WITHOUT_SAYING)
