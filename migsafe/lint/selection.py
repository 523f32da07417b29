"""Which rules are on, and how severe each is: the rules' own words under what the configuration says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migsafe.config.model import Config, RuleLayer, ScriptSettings
from migsafe.config.words import Level
from migsafe.errors import UsageError
from migsafe.lint.model import Rule, Severity
from migsafe.suggest import did_you_mean

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """What a rule comes to: None is off. `layer` is the table that says so, None for the rule itself."""

    severity: Severity | None
    layer: RuleLayer | None = None
    key: str = ""


class Selection:
    """The rules under a configuration.

    Within one table the name of a rule counts more than its group, and a group more than `all`; a later
    table counts more than an earlier one.

    Raises:
        UsageError: The configuration names a rule or group that does not exist.
    """

    def __init__(self, rules: Iterable[Rule], config: Config) -> None:
        self.rules = tuple(rules)
        self._groups = groups(self.rules)
        self._cache: dict[tuple[int, ...], Mapping[str, Effective]] = {}
        self._severities: dict[int, Mapping[str, Severity | None]] = {}
        names = {name for rule in self.rules for name in (rule.name, rule.id)}
        for layer in _layers(config):
            for key in layer.levels:
                if key not in names and key.upper() not in names and key not in self._groups:
                    _fail(config, layer, key, {*names, *self._groups})

    def levels(self, settings: ScriptSettings) -> Mapping[str, Effective]:
        """What each rule comes to, by name."""
        cached = tuple(id(layer) for layer in settings.layers)
        if cached not in self._cache:
            self._cache[cached] = {rule.name: self._effective(rule, settings.layers) for rule in self.rules}
        return self._cache[cached]

    def severities(self, settings: ScriptSettings) -> Mapping[str, Severity | None]:
        """How severe each rule is, by name; None if it is off."""
        levels = self.levels(settings)
        key = id(levels)  # kept alive by the cache of levels
        if key not in self._severities:
            self._severities[key] = {name: each.severity for name, each in levels.items()}
        return self._severities[key]

    def _effective(self, rule: Rule, layers: tuple[RuleLayer, ...]) -> Effective:
        found = Effective(severity=rule.severity if rule.enabled else None)
        for layer in layers:
            for key in keys_of(rule):
                level = layer.levels.get(key)
                if level is not None:
                    found = Effective(severity=_severity(level, rule), layer=layer, key=key)
                    break
        return found


def groups(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The names of all groups: `all`, and the families."""
    return (ALL, *sorted({rule.family for rule in rules}))


def keys_of(rule: Rule) -> tuple[str, ...]:
    """The words that a `rules` table can say for this rule, the nearest first."""
    return (rule.name, rule.id, rule.id.lower(), rule.family, ALL)


def _severity(level: Level, rule: Rule) -> Severity | None:
    match level:
        case Level.OFF:
            return None
        case Level.ON:
            return rule.severity
        case Level.ERROR:
            return Severity.ERROR
        case Level.WARNING:
            return Severity.WARNING


def _layers(config: Config) -> tuple[RuleLayer, ...]:
    layers = (config.rules, *(each.rules for each in config.paths), config.flags.rules)
    return tuple(layer for layer in layers if layer)


def _fail(config: Config, layer: RuleLayer, key: str, known: Iterable[str]) -> None:
    place = config.where(*layer.keys, key) if layer.keys else layer.where
    raise UsageError(
        f"{place}: no rule or group {key!r}{did_you_mean(key, known)}",
        advice="`migsafe rules` lists all rules and groups.",
    )
