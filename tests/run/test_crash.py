"""The server itself crashes in the middle of a backfill."""

import threading
import time
from dataclasses import replace

import psycopg
import pytest

from migsafe.errors import MigsafeError
from migsafe.plan.stages import Stage
from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import scratch_server
from migsafe.run.ledger.steps import read_step
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from tests.run.plans import fill_users
from tests.run.test_backfill import COUNT_CHANGES, fill_plan

SLOW = Settings(first_window_pages=2, window_pages=4, lease_beat=0.3, lease_expiry=1.0)


def advance(dsn: str, settings: Settings) -> None:
    with hold(fill_plan(), dsn, settings=settings) as runner:
        runner.advance(Stage.BACKFILLED)


@pytest.mark.proof
def test_a_crash_of_the_server_loses_no_row_and_repeats_none() -> None:
    """Batches do not wait for the disk, so rows and cursor must be lost together or not at all."""
    with scratch_server(binaries=embedded_binaries()) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            fill_users(conn, 60_000)
            conn.execute("ALTER TABLE users ADD COLUMN copied int")
            conn.execute(COUNT_CHANGES)
        limited = replace(SLOW, max_rows_per_second=20_000)
        crash = threading.Timer(1.2, lambda: server.stop("immediate"))
        crash.start()
        with pytest.raises(MigsafeError, match="connection"):
            advance(server.dsn(), limited)
        crash.join()
        server.start()
        time.sleep(1.0)  # this process lives, and could not give its lease back
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            done = conn.execute("SELECT count(copied), (SELECT count(*) FROM changes) FROM users").fetchone()
            assert done is not None
            assert 0 < done[0] < 60_000
            assert done[0] == done[1]
            with hold(fill_plan(), server.dsn(), settings=SLOW) as runner:
                assert read_step(runner.session.conn, runner.rollout().id, "fill").rows == done[0]
                runner.advance(Stage.BACKFILLED)
            changed = conn.execute("SELECT count(*), count(DISTINCT id) FROM changes").fetchone()
            assert changed == (60_000, 60_000)
