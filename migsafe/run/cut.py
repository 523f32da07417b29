"""Cuts a pass over a table into chunks that workers can share."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from migsafe.run.cursor import Cursor
from migsafe.run.ledger.chunks import Chunk
from migsafe.run.method import HEAP
from migsafe.run.pages import Leaf
from migsafe.run.settings import Settings

_CHUNKS = 128  # about so many: enough for every worker to be busy to the end, few enough to look over
_MOST_PAGES = 65_536
_LEAST_PAGES = 512  # to take a chunk costs as much as a small batch
_SWEEP_WINDOWS = 4  # at least, in a chunk of a sweep


def cut(leaves: Sequence[Leaf], cursor: Cursor, step: str, settings: Settings) -> tuple[Chunk, ...]:
    """The chunks of a pass, from the cursor on. A relation without an order of pages is one of them."""
    size = chunk_pages(sum(leaf.pages for leaf in leaves), cursor.sweep, settings)
    pieces = (piece for leaf in leaves for piece in _of_leaf(leaf, cursor, size))
    return tuple(
        Chunk(step=step, number=number, leaf=leaf.oid, first=first, last=last, cursor=at.to_json())
        for number, (leaf, first, last, at) in enumerate(pieces, start=1)
    )


def chunk_pages(pages: int, sweep: int, settings: Settings) -> int:
    """How many pages a chunk has when the table has so many."""
    least = settings.sweep_pages * _SWEEP_WINDOWS if sweep else min(_LEAST_PAGES, settings.window_pages * 4)
    return max(least, min(_MOST_PAGES, math.ceil(pages / _CHUNKS)))


def _of_leaf(leaf: Leaf, cursor: Cursor, size: int) -> Iterator[tuple[Leaf, int, int, Cursor]]:
    begins = cursor.within(leaf.oid)
    if begins is None or begins.first >= leaf.pages:
        return
    size = size if leaf.access_method == HEAP else leaf.pages
    first = begins.first
    while first < leaf.pages:
        last = min(leaf.pages, max(first + size, begins.end))
        at = begins if first == begins.first else replace(begins, first=first, end=first, stripe=0)
        yield leaf, first, last, replace(at, found=0, skipped=False)
        first = last
