"""What one hold on a rollout has cost so far: told by who waits and by the guard, read by who reports."""

from migsafe.run.ledger.blocked import Blocked


class Totals:
    """Sums since this process took the rollout up. Values are replaced, not changed: any thread may look."""

    def __init__(self) -> None:
        self.throttled: dict[str, float] = {}  # seconds that backfills and verifications waited, by signal
        self.blocked = Blocked()  # what sessions of the application waited for us
        self.told = Blocked()  # as much of it as the observer knows
