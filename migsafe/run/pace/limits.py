"""Which value is in effect, and where it comes from: the default, a file, an option, or `migsafe set`."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from migsafe.config.limits import (
    DEFAULT,
    SETTINGS,
    Limit,
    Setting,
    Unit,
    parse_limit,
    show_limit,
)
from migsafe.config.pace import Given, PaceSettings
from migsafe.errors import UsageError

BATCH_DURATION, ROWS = "batch-duration", "max-rows-per-second"
BY_DEFAULT, BY_HAND = "default", "migsafe set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """A value that is in effect, None for off, and who said so."""

    setting: Setting
    limit: Limit | None
    source: str = BY_DEFAULT

    @property
    def shown(self) -> str:
        """The value as it is written."""
        return show_limit(self.setting, self.limit)

    @property
    def is_default(self) -> bool:
        """Whether nobody asked for it."""
        return self.source == BY_DEFAULT

    def below(self, ceiling: float | None) -> Limit | None:
        """The limit on a server that wants the default lower."""
        limit = self.limit
        if limit is None or ceiling is None or not self.is_default or ceiling >= limit.hard:
            return limit
        return Limit(soft=limit.soft * ceiling / limit.hard, hard=ceiling)


def effective(pace: PaceSettings, set_values: Iterable[Given]) -> dict[str, Effective]:
    """All that can be set; what was set while running counts most, then options, then the file.

    A value in the ledger that this version cannot read is left aside.
    """
    places = {signal.name: signal.place for signal in pace.custom}
    first = {
        setting.name: Effective(
            setting=setting,
            limit=parse_limit(setting, setting.default),
            source=places.get(setting.name, BY_DEFAULT),
        )
        for setting in (*SETTINGS, *pace.settings)
    }
    found = dict(first)
    for given in pace.given:
        found[given.name] = _given(first[given.name], given)
    for given in set_values:
        if given.name in found:
            with suppress(UsageError):
                found[given.name] = _given(first[given.name], given)
    return found


def with_run_settings(pace: PaceSettings, *, batch_seconds: float, rows: float | None) -> PaceSettings:
    """The same with what a run's own settings say about batches and rows, as the option's values."""
    more = [Given(name=BATCH_DURATION, value=f"{1000 * batch_seconds:.15g}ms", source=BY_DEFAULT)]
    if rows is not None:
        more.append(Given(name=ROWS, value=f"{rows:.15g}", source="--max-rows-per-second"))
    return replace(pace, given=(*more, *pace.given))


def described(values: Iterable[Effective]) -> list[dict[str, str]]:
    """One document for each, for status and set; `from_described` reads it."""
    return [
        {
            "name": each.setting.name,
            "value": each.shown,
            "source": each.source,
            "unit": each.setting.unit.value,
            "default": each.setting.default,
            "about": each.setting.about,
        }
        for each in values
    ]


def from_described(documents: Iterable[Mapping[str, str]]) -> tuple[Effective, ...]:
    """The values that a runner wrote down; what this version does not understand is left out."""
    found = []
    for each in documents:
        with suppress(KeyError, ValueError, UsageError):
            setting = next((known for known in SETTINGS if known.name == each["name"]), None) or Setting(
                name=each["name"], unit=Unit(each["unit"]), default=each["default"], about=each["about"]
            )
            limit = parse_limit(setting, each["value"])
            found.append(Effective(setting=setting, limit=limit, source=each["source"]))
    return tuple(found)


def _given(first: Effective, given: Given) -> Effective:
    if given.value.strip().lower() == DEFAULT:
        return first
    return Effective(
        setting=first.setting, limit=parse_limit(first.setting, given.value), source=given.source
    )
