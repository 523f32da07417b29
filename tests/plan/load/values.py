"""What the statements of a workload are given, and whose row a key is.

The keys are shared out, so that the last write of a row has one author, whose order of writes is known:
what was acknowledged can be compared with what is there. Share 0 is everybody's: there they meet.
"""

import itertools
import random
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from migsafe.plan.stages import Version

SHARES = 5
EVERYBODY = 0
OWNED = {Version.BLUE: (1, 2), Version.GREEN: (3, 4)}
IDS = 2000
FIRST_NEW = 1_000_000
_FIRST_DAY = date(2025, 1, 1)
_LAST_NUMBER = re.compile(r"(\d+)\D*$")

Values = Mapping[str, object]


class Source:
    """Draws values; new keys and texts never come twice."""

    def __init__(self, seed: int = 0) -> None:
        self._counter = itertools.count(1)
        self._seeds = itertools.count(seed)

    def of(self, share: int | None) -> Iterator[Values]:
        """Values without end: with keys of one share, or of all for None."""
        chance = random.Random(next(self._seeds))
        while True:
            number = next(self._counter)
            owner = chance.randrange(SHARES) if share is None else share
            yield {
                "id": chance.randrange(IDS // SHARES) * SHARES + (owner or SHARES),
                "new": FIRST_NEW + number * SHARES + owner,
                "text": f"v{number}",
                "int": chance.randrange(1001),
                "day": _FIRST_DAY + timedelta(days=chance.randrange(365)),
            }


def share_of(key: object) -> int | None:
    """Whose a key is: the last number in it says so. None for a key without a number."""
    number = _LAST_NUMBER.search(str(key))
    return int(number.group(1)) % SHARES if number else None
