"""A database that goes away in the middle, said in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from migsafe.errors import RunError
from migsafe.run.connect import describe


@contextmanager
def database_errors(dsn: str) -> Iterator[None]:
    """Turn what the driver raises outside of a step into an error for people.

    Raises:
        RunError: The connection was lost, or the ledger could not be read or written.
    """
    try:
        yield
    except psycopg.Error as error:
        reason = error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
        raise RunError(
            f"{describe(dsn)} does not go on: {reason}",
            advice="What was done is in the ledger: run the same command again to go on.",
        ) from error
