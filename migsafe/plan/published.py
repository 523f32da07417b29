"""Tables that are published: a subscriber that lacks a column stops, and the publisher keeps its WAL.

https://www.postgresql.org/docs/current/logical-replication-subscription.html
"""

from collections.abc import Iterator, Sequence

from migsafe.catalog.model import Catalog
from migsafe.plan.rehearsal import Rehearsed
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name


def told_of_subscribers(rehearsed: Sequence[Rehearsed], catalog: Catalog) -> Iterator[str]:
    """What a person must do at the subscribers of a published table that gets columns, or renames some."""
    for table in catalog.tables.values():
        if not table.publications:
            continue
        known = {column.name for column in table.columns}
        new = dict(_new_columns(rehearsed, table.name, known))
        if not new:
            continue
        names = ", ".join(new)
        first = next(iter(new.values()))
        when = "; ".join(f"{name} (before '{stage}')" for name, stage in new.items())
        yield (
            f"{table.name} is published by {', '.join(table.publications)}. A subscriber that has no column "
            f"{names} stops with 'missing replicated column' at the first row that is written after "
            f"'{first}', and the WAL piles up here until it goes on. Add to its table: {when}, each NULL and "
            "without a default, and drop at the end what is not here any more. A publication with a list of "
            "columns (PostgreSQL 15) that leaves them out needs nothing."
        )


def _new_columns(rehearsed: Sequence[Rehearsed], table: Name, known: set[str]) -> Iterator[tuple[str, Stage]]:
    for each in rehearsed:
        after = each.after.tables.get(table)
        for column in after.columns if after else ():
            if column.name not in known:
                known = known | {column.name}
                yield column.name, each.step.stage
