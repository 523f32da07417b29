"""A fleet: its databases and how it is gone through, as data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from migsafe.errors import UsageError
from migsafe.fleet.waves import DEFAULT_SIZES, Size
from migsafe.suggest import did_you_mean

WILDCARDS = "*?["


class Application(StrEnum):
    """Who uses the databases: ONE application in front of all of them, or EACH has its own."""

    ONE = "one"
    EACH = "each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One database. A URL from the environment may hold a password; `place` says where it was found."""

    name: str
    dsn: str = field(repr=False)
    direct_dsn: str | None = field(default=None, repr=False)
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All databases in their order, and what the file says about how to go through them."""

    databases: tuple[Database, ...]
    application: Application = Application.ONE
    canary: str | None = None
    sizes: tuple[Size, ...] = DEFAULT_SIZES
    parallel: int = 4
    pause_seconds: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The names in their order."""
        return tuple(database.name for database in self.databases)

    def select(self, only: Sequence[str]) -> tuple[Database, ...]:
        """The databases of these names and patterns (each may be several with commas); all without any.

        Raises:
            UsageError: A name is not there, or a pattern fits none.
        """
        wanted = [part.strip() for text in only for part in text.split(",") if part.strip()]
        if only and not wanted:
            raise UsageError("--only names no database", advice="--only shard_01,shard_02 or --only 'eu_*'")
        for one in wanted:
            if not any(_fits(name, one) for name in self.names):
                what = "no database fits" if set(one) & set(WILDCARDS) else "the fleet has no database"
                raise UsageError(
                    f"{what} '{one}'{did_you_mean(one, self.names)}", advice=f"Known: {listed(self.names)}."
                )
        return tuple(
            each for each in self.databases if not wanted or any(_fits(each.name, one) for one in wanted)
        )


def listed(names: Iterable[str], *, most: int = 8) -> str:
    """Names for people, the first of many."""
    found = tuple(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def _fits(name: str, wanted: str) -> bool:
    return name == wanted or fnmatchcase(name, wanted)
