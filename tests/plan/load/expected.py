"""What must be there: the acknowledged writes, done again on databases that no plan ever touched.

Blue's are done on the old schema, green's on the one that the naive migration makes. Every version then
finds its own rows there as it wrote them, and so it must in the database of the rollout: whatever became
of its schema, nothing that was acknowledged is lost.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Self

import psycopg

from migsafe.plan.stages import Version
from tests.plan.cases import Case

from .clients import Conn, Write
from .lens import lens_of
from .values import OWNED, share_of

Rows = dict[str, list[str]]  # by key


class Expected:
    """Two databases that follow what each version wrote, in a transaction each that is never committed."""

    def __init__(self, case: Case, dsns: dict[Version, str]) -> None:
        self._conns: dict[Version, Conn] = {
            version: psycopg.connect(dsn, cursor_factory=psycopg.ClientCursor)
            for version, dsn in dsns.items()
        }
        self.lens = lens_of(case, self._conns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for conn in self._conns.values():
            conn.close()

    def follow(self, version: Version, writes: Sequence[Write]) -> None:
        """Do these writes as well."""
        for write in writes:
            self._conns[version].execute(write.statement.encode(), write.values).close()

    def compare(self, dsn: str, viewer: Version) -> tuple[int, list[str]]:
        """How many rows the viewer's view was compared in, and what is wrong with it, in words."""
        wrong, compared = list[str](), 0
        with psycopg.connect(dsn, autocommit=True) as conn:
            for author in Version:
                queries = self.lens.whole if author is viewer else self.lens.shared
                if viewer not in queries:
                    continue
                expected = _owned(rows_of(self._conns[author], queries[author]), author)
                present = _owned(rows_of(conn, queries[viewer]), author)
                compared += len(expected)
                wrong += [
                    f"{author} wrote {expected.get(key, [])}, {viewer} sees {present.get(key, [])}"
                    for key in sorted(expected.keys() | present.keys())
                    if expected.get(key) != present.get(key)
                ]
        return compared, wrong


def rows_of(conn: Conn, query: str) -> Rows:
    """The rows that a query of the lens finds, by their keys."""
    rows: Rows = defaultdict(list)
    for key, row in conn.execute(f"{query} ORDER BY 1, 2".encode()).fetchall():
        rows[str(key)].append(row)
    return dict(rows)


def _owned(rows: Rows, version: Version) -> Rows:
    return {key: row for key, row in rows.items() if share_of(key) in OWNED[version]}
