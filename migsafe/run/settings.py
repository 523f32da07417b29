"""What a person may tune about a run. The defaults suit a busy production database."""

from dataclasses import dataclass, field

from migsafe.config.pace import PaceSettings
from migsafe.run.kill import KillRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times are in seconds. `direct_dsn` is used for CONCURRENTLY when the other URL leads to a pooler."""

    direct_dsn: str | None = None
    connect_timeout: float = 10.0

    reconnect_seconds: float = 30.0  # how long a lost connection is tried again; 0: not at all

    lease_beat: float = 5.0
    lease_expiry: float = 15.0  # of silence, by the server's clock, until another host may take over

    lock_attempts: int = 40
    lock_first: float = 0.1  # the deadline of the first attempt, for all its locks and statements together
    lock_last: float = 0.8  # and of the last ones; kept below the server's deadlock_timeout all the same
    retry_first: float = 0.1  # the wait after the first failed attempt
    retry_last: float = 10.0

    workers: int = 1  # of this process, each with a connection of its own
    join_poll: float = 0.5  # how often who joined looks for something to do

    kill: tuple[KillRule, ...] = ()  # which sessions in the way of a strong lock may be ended: none
    kill_superusers: bool = False

    stripes: int = 8  # passes over one window of pages, so that pruning makes room for HOT updates
    window_pages: int = 512  # at most; what a batch costs beside its rows is spread over many of them
    first_window_pages: int = 16
    sweep_pages: int = 4096  # at most, where nearly nothing is left to change
    blocked_budget: float = 0.5  # what a session of the application may wait for us
    blocked_vacuum_seconds: float = 60.0  # what a vacuum that prevents wraparound may wait for hours of work
    max_quarantined: int = 100  # rows of one step that cannot be changed; one more stops the run

    batch_seconds: float = 0.25  # what a batch takes at most; windows shrink and grow to stay below
    row_lock_seconds: float = 0.2  # how long a batch waits for one row
    max_rows_per_second: float | None = None
    pace: PaceSettings = field(default_factory=PaceSettings)
    max_sweeps: int = 10
    verify_every_seconds: float = 900.0  # while traffic runs: from the begin of a pass to that of the next
    progress_seconds: float = 0.5  # between two progress events
