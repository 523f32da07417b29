"""What would slow a backfill down right now: each signal is read once, as a run reads them every second."""

import psycopg

from migsafe.config.pace import PaceSettings
from migsafe.errors import MigsafeError
from migsafe.run.connect import Conn
from migsafe.run.forecast.model import Throttle
from migsafe.run.pace import state as states
from migsafe.run.pace.controller import PaceState, Reading, Verdict, step
from migsafe.run.pace.custom import asker, custom_signals
from migsafe.run.pace.limits import ROWS, Effective, effective
from migsafe.run.pace.measure import Signal
from migsafe.run.pace.signals import server_signals
from migsafe.run.pace.watch import STATEMENT_SECONDS
from migsafe.sql.names import Name


def throttle_now(conn: Conn, table: Name, pace: PaceSettings) -> Throttle:
    """The share of full speed that the signals allow now, and which of them hold it down."""
    values = effective(pace, ())
    readings = []
    for signal in (*server_signals(table, pace.ignored_replicas), *custom_signals(pace.custom)):
        if values[signal.name].limit is not None:
            readings.append(_read(conn, signal, values[signal.name]))
        signal.close()
    state = step(PaceState(), readings, seconds=0.0)
    slowing = [each for each in state.judged if each.verdict in (Verdict.SLOW, Verdict.STOP)]
    rows = values.get(ROWS)
    return Throttle(
        share=state.share,
        reasons=tuple(states.reason(each, values) for each in sorted(slowing, key=lambda each: each.share)),
        rows_per_second=rows.limit.hard if rows and rows.limit else None,
    )


def _read(conn: Conn, signal: Signal, value: Effective) -> Reading:
    try:
        with conn.transaction():
            measured = signal.read(asker(conn, seconds=STATEMENT_SECONDS))
    except (psycopg.Error, MigsafeError) as error:
        # What a run would find out by trying again is no reason here: it is said when the run begins.
        limit = value.below(None)
        assert limit is not None  # noqa: S101 -- the caller asks for what is not off
        return Reading(name=signal.name, limit=limit, value=None, text=str(error), holds=False)
    limit = value.below(measured.ceiling)
    assert limit is not None  # noqa: S101 -- see above
    holds = measured.available or not value.is_default
    return Reading(name=signal.name, limit=limit, value=measured.value, text=measured.text, holds=holds)
