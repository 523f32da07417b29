"""The stages of a rollout, in order, and the one invariant over them.

> No application version may receive traffic, or be a rollback target, unless it is compatible with the
> current stage of the schema.
"""

from dataclasses import dataclass
from enum import StrEnum


class Version(StrEnum):
    """The two versions of the application that share the database."""

    BLUE = "blue"  # the old one
    GREEN = "green"  # the new one


class Phase(StrEnum):
    """The groups of a plan's steps."""

    EXPAND = "expand"
    BACKFILL = "backfill"
    VERIFY = "verify"
    CONTRACT = "contract"


class Stage(StrEnum):
    """Where a rollout stands, on both tracks. Members are in the order in which they are reached."""

    PLANNED = "planned"
    EXPANDED = "expanded"
    BACKFILLED = "backfilled"
    VERIFIED = "verified"
    DARK = "dark"
    CANARY = "canary"
    FULL = "full"
    SOAKED = "soaked"
    FENCED = "fenced"
    TOMBSTONED = "tombstoned"
    DROPPED = "dropped"

    @property
    def position(self) -> int:
        """0 for planned, 10 for dropped."""
        return _ORDER.index(self)

    @property
    def phase(self) -> Phase | None:
        """The phase whose steps lead to this stage; None where only traffic moves."""
        return _PHASES.get(self)


_ORDER = tuple(Stage)
_PHASES = {
    Stage.EXPANDED: Phase.EXPAND,
    Stage.BACKFILLED: Phase.BACKFILL,
    Stage.VERIFIED: Phase.VERIFY,
    Stage.TOMBSTONED: Phase.CONTRACT,
    Stage.DROPPED: Phase.CONTRACT,
}
SCHEMA_STAGES = tuple(_PHASES)
TRAFFIC_STAGES = (Stage.DARK, Stage.CANARY, Stage.FULL, Stage.SOAKED, Stage.FENCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The stages in which a version works, both ends included."""

    first: Stage
    last: Stage

    def __contains__(self, stage: Stage) -> bool:
        """Whether the version works in this stage."""
        return self.first.position <= stage.position <= self.last.position


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatibility:
    """The window of each version."""

    blue: Window
    green: Window

    def allows(self, version: Version, stage: Stage) -> bool:
        """Whether this version may receive traffic in this stage."""
        return stage in (self.blue if version is Version.BLUE else self.green)

    def violation(self, stage: Stage, green_percent: int) -> str | None:
        """Why this stage and this split of traffic must not meet; None when they may."""
        for version, share in ((Version.BLUE, 100 - green_percent), (Version.GREEN, green_percent)):
            if share > 0 and not self.allows(version, stage):
                return f"{version} would get {share} % of the traffic, but does not work in stage '{stage}'"
        return None
