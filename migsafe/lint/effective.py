"""The configuration that is in effect, and where each part of it comes from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from migsafe.config.model import Config, PathSettings, RuleLayer
from migsafe.config.patterns import matches
from migsafe.lint.model import Rule, Severity
from migsafe.lint.selection import Selection
from migsafe.sources.settings import SourceSettings

DEFAULT = "default"
OFF = "off"
_PER_PATH = ("server_version", "transaction", "small_tables")
_WHOLE = ("fail_on", "schema", "baseline", "exclude", "small_table_rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value and the place that says so; `source` is "default" when none does."""

    key: str
    value: object
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSetting:
    """What a rule comes to: a severity, or "off"."""

    rule: Rule
    level: str
    source: str

    @property
    def is_default(self) -> bool:
        """Whether nothing but the rule itself says so."""
        return self.source == DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """All that holds; for one path when `path` is given. `file` is "" when there is no configuration."""

    file: str
    path: str
    settings: tuple[Setting, ...]
    rules: tuple[RuleSetting, ...]
    sources: tuple[SourceSettings, ...]


def effective(config: Config, rules: Iterable[Rule], path: str = "") -> Effective:
    """What holds for all scripts, or for the script at `path`.

    Raises:
        UsageError: The configuration names a rule that does not exist.
    """
    selection = Selection(rules, config)
    settings = config.for_path(path) if path else config.for_path(_NOWHERE)
    tables = [each for each in enumerate(config.paths) if path and _is_for(config, each[1], path)]
    found = [_setting(config, key, getattr(config, key), ()) for key in _WHOLE]
    for key in _PER_PATH:
        number = next((n for n, each in reversed(tables) if getattr(each, key) is not None), None)
        keys = () if number is None else ("paths", number)
        found.append(_setting(config, key, getattr(settings, key), keys))
    if path:
        found.append(_phase(config, path, tables))
        found.append(Setting(key="excluded", value=config.excludes(path), source=_source(config, "exclude")))
    else:
        found.append(_setting(config, "phases", dict(config.phases), ()))
    levels = selection.levels(settings)
    shown = tuple(
        RuleSetting(
            rule=rule,
            level=_level(levels[rule.name].severity),
            source=_layer(config, levels[rule.name].layer, levels[rule.name].key),
        )
        for rule in selection.rules
    )
    return Effective(
        file=config.file,
        path=path,
        settings=tuple(sorted(found, key=lambda setting: setting.key)),
        rules=shown,
        sources=config.sources,
    )


def source_values(source: SourceSettings) -> Mapping[str, object]:
    """What a `[[sources]]` table says, without what is as always."""
    default = SourceSettings()
    named = ("kind", "path")
    return {
        one.name: getattr(source, one.name)
        for one in fields(source)
        if one.name in named or getattr(source, one.name) != getattr(default, one.name)
    }


# No pattern of a `[[paths]]` table is meant for it.
_NOWHERE = "\0"


def _is_for(config: Config, table: PathSettings, path: str) -> bool:
    seen = config.relative(path)
    return any(matches(seen, pattern) for pattern in table.match)


def _setting(config: Config, key: str, value: object, keys: tuple[str | int, ...]) -> Setting:
    return Setting(key=key, value=value, source=_source(config, *keys, key))


def _phase(config: Config, path: str, tables: list[tuple[int, PathSettings]]) -> Setting:
    phase = config.for_path(path).phase
    source = DEFAULT
    seen = config.relative(path)
    for pattern, _ in config.phases:
        if matches(seen, pattern):
            source = config.where("phases", pattern)
    for number, each in tables:
        if each.phase is not None:
            source = config.where("paths", number, "phase")
    return Setting(key="phase", value=phase or "undeclared", source=source)


def _source(config: Config, *keys: str | int) -> str:
    return config.where(*keys) if config.says(*keys) else DEFAULT


def _layer(config: Config, layer: RuleLayer | None, key: str) -> str:
    if layer is None:
        return DEFAULT
    return config.where(*layer.keys, key) if layer.keys else layer.where


def _level(severity: Severity | None) -> str:
    return severity.value if severity else OFF
