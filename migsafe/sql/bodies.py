"""The SQL in the body of a function or procedure: it runs when it is called, not when it is created."""

from migsafe.sql.changes import CreateFunction
from migsafe.sql.read import Part, read_body

__all__ = ["Part", "body_of"]


def body_of(routine: CreateFunction) -> tuple[Part, ...]:
    """What the body asks for, with offsets in `routine.body`; opaque where the language is not known.

    Offsets in the statement are these plus `routine.body_start`, unless that is -1.
    """
    return read_body(routine.body, routine.language or "")
