"""Stops what runs in one database between two pieces of work, and finds out whether all of it should stop."""

import time
from collections.abc import Iterable

import psycopg

from migsafe.errors import MigsafeError
from migsafe.fleet.child import Child
from migsafe.fleet.model import Database
from migsafe.fleet.reading import STOP_EVENT, TIMEOUT_SECONDS, stop_mark
from migsafe.run.connect import connect
from migsafe.run.ledger.model import Request
from migsafe.run.ledger.rollouts import add_audit, read_rollout, request

LOOK_EVERY_SECONDS = 1.0


def pause_gently(child: Child, rollout: str) -> None:
    """Ask the run in this database to pause, as `migsafe pause` does, and see to it until it ended.

    A run takes back a request that was there before it began, so that one is asked again. Where the ledger
    cannot be asked, or does not know the rollout yet, the process is told to end: what it has at hand is
    rolled back then.
    """
    while child.is_alive:
        try:
            with connect(child.database.dsn, timeout=TIMEOUT_SECONDS) as conn:
                while child.is_alive:
                    found = read_rollout(conn, rollout)
                    if found is None:
                        child.stop()
                        return
                    if found.request is None:
                        request(conn, rollout, Request.PAUSE)
                    time.sleep(LOOK_EVERY_SECONDS)
        except (MigsafeError, psycopg.Error):  # it is over just now, or nobody can ask it
            if child.is_alive:
                time.sleep(LOOK_EVERY_SECONDS)
                child.stop()
            return


def mark_stop(database: Database, rollout: str, command: str) -> None:
    """Leave a line in the audit trail of a rollout that has begun: whoever goes through the fleet stops then.

    Raises:
        ConnectionFailed, psycopg.Error: The database cannot be reached.
    """
    with connect(database.dsn, timeout=TIMEOUT_SECONDS) as conn:
        found = read_rollout(conn, rollout)
        if found is not None:
            add_audit(conn, found.id, STOP_EVENT, {"by": command})


def is_stopped(databases: Iterable[tuple[Database, int]], rollout: str) -> bool:
    """Whether there is a line to stop after the one known before (its number), in the first that answers."""
    for database, known in databases:
        try:
            with connect(database.dsn, timeout=TIMEOUT_SECONDS, only_reads=True) as conn:
                found = read_rollout(conn, rollout)
                if found is not None:
                    return stop_mark(conn, found.id) > known
        except (MigsafeError, psycopg.Error):
            continue
    return False
