"""What was tried, and what is expected. Times are in seconds, sizes in bytes."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One batch that was rolled back.

    `wal` is what this statement alone wrote, as EXPLAIN (ANALYZE, WAL) says; `images` of it are full images
    of pages. `hot` rows found room in their page. By `grown` the table and its indexes got longer.
    """

    rows: int
    seconds: float
    wal: float
    images: int
    hot: int
    grown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """The same rows, put into a table of our own and changed there: once without and once with room for them.

    `moved_bytes` is what a row takes that moves to another page, `old_bytes` what one took before.
    """

    moved: Sample
    stayed: Sample
    old_bytes: float
    moved_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What was measured at one place of the table: pages `first` up to `end` (excluded) of a relation.

    Looking which rows are pending took `cold_seconds` longer the first time, when pages had to be read.
    """

    relation: str
    first: int
    end: int
    rows: int  # that are there
    pending: int  # of those
    read_seconds: float
    cold_seconds: float = 0.0
    changed: Sample | None = None  # in place
    copied: Copied | None = None

    @property
    def pages(self) -> int:
        """How many."""
        return self.end - self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the table that is gone through. `indexes` is their size."""

    pages: int
    page_size: int
    index_bytes: int
    has_triggers: bool  # of the application, that a copy has not
    full_page_writes: bool
    trip_seconds: float
    writes_wal: bool  # for a table made in the same transaction: not with wal_level = minimal


@dataclass(frozen=True, slots=True)
class Band:
    """What is expected, and the limits of it: one in ten runs is below `low`, one in ten above `high`."""

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> "Band":
        """The same for so many times as much."""
        return Band(self.low * factor, self.middle * factor, self.high * factor)

    def plus(self, other: "Band") -> "Band":
        """Both together. Their errors may go the same way."""
        return Band(self.low + other.low, self.middle + other.middle, self.high + other.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the whole table takes."""

    rows: float  # to change
    seconds: Band
    wal: Band | None
    growth: Band
    hot: float  # share


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """What slows a backfill down right now: the share of full speed, and why. 0: it would stand."""

    share: float
    reasons: tuple[str, ...] = ()
    rows_per_second: float | None = None  # a limit that somebody set


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForecast:
    """One backfill. `why_not` says why nothing could be measured.

    `left_dead` row versions, and `left_bytes` by which the table got longer, are what the rolled back batches
    leave to vacuum.
    """

    step: str
    title: str
    table: str
    in_place: bool = False  # else in a copy of sampled rows alone: the table has not its new shape yet
    relations: int = 0
    pages: int = 0
    method: str = ""
    places: tuple[Place, ...] = ()
    expected: Expected | None = None
    throttle: Throttle = field(default_factory=lambda: Throttle(share=1.0))
    left_dead: int = 0
    left_bytes: int = 0
    why_not: str = ""

    @property
    def throttled_seconds(self) -> Band | None:
        """How long it takes at the pace of now; None when it would stand, or nothing is known."""
        if self.expected is None or self.throttle.share <= 0:
            return None
        seconds = self.expected.seconds.times(1 / self.throttle.share)
        limit = self.throttle.rows_per_second
        if limit is None:
            return seconds
        least = self.expected.rows / limit
        return Band(*(max(least, value) for value in (seconds.low, seconds.middle, seconds.high)))
