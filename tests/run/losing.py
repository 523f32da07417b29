"""Takes the connection of a runner away, and counts how often it noticed."""

import psycopg

from migsafe.run.connect import connect
from migsafe.run.ledger.rollouts import read_audit, read_rollout
from migsafe.run.reconnect import LOST


def terminate_runner(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'migsafe: rename' AND datname = current_database()"
        ).rowcount


def lost_lines(dsn: str, name: str = "rename") -> int:
    with connect(dsn) as conn:
        rollout = read_rollout(conn, name)
        assert rollout is not None
        return sum(line.event == LOST for line in read_audit(conn, rollout.id))
