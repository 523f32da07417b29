"""What was seen when a statement ran."""

from dataclasses import dataclass

from migsafe.effects.model import Blocks, Lock
from migsafe.sql.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What one statement did to the tables, views and materialized views that existed before it.

    `locks` are the strongest on each relation, from SHARE UPDATE EXCLUSIVE on. `error` is the server's
    message when it refused, with its SQLSTATE in `sqlstate`; then nothing else was seen.
    """

    locks: tuple[Lock, ...] = ()
    rewrites: tuple[Name, ...] = ()
    scans: tuple[Name, ...] = ()
    builds_index: bool = False
    blocks: Blocks = Blocks.NONE
    needs_no_transaction: bool = False
    seconds: float = 0.0
    error: str = ""
    sqlstate: str = ""
