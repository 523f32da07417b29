"""The tokens of a statement, for who looks at its words; kept for the next who asks."""

from collections.abc import Sequence
from functools import lru_cache

from migsafe.sql.lex import Token, Unlexable, lex

_MAX_LENGTH = 200_000  # characters; longer ones are data


@lru_cache(maxsize=4)
def tokens_of(text: str) -> Sequence[Token]:
    """The tokens of a statement; none when it cannot be read or is too long to look at."""
    if len(text) > _MAX_LENGTH:
        return ()
    try:
        return lex(text)
    except Unlexable:
        return ()
