"""The `[run.pace]` table: limits by name, and signals of the user's own."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from migsafe.config.limits import DEFAULT, NAMES, OFF, Setting, Unit, find_setting, parse_limit
from migsafe.config.places import line_of
from migsafe.config.values import Table
from migsafe.errors import UsageError

SIGNALS, IGNORED_REPLICAS = "signals", "ignored-replicas"
_NO_LIMITS = (SIGNALS, IGNORED_REPLICAS)
SIGNAL_KEYS = (
    *("name", "kind", "limit", "query", "url", "url_env", "token_env", "database_env", "unreadable"),
    *("timeout", "unit"),
)
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Kind(StrEnum):
    """Where a signal comes from."""

    SQL = "sql"
    HTTP = "http"
    PROMETHEUS = "prometheus"


class Unreadable(StrEnum):
    """What a signal that cannot be read does."""

    HOLD = "hold"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomSignal:
    """A signal of the user's own. What is secret is in the environment: `*_env` are names of variables."""

    name: str
    kind: Kind
    limit: str
    query: str = ""
    url: str = ""
    url_env: str = ""
    token_env: str = ""
    database_env: str = ""
    unreadable: Unreadable = Unreadable.HOLD
    timeout: float = 2.0
    unit: Unit = Unit.COUNT
    place: str = "configuration"  # where it is written, for messages

    @property
    def setting(self) -> Setting:
        """How it can be set."""
        default = self.limit or "0.5..1"
        return Setting(name=self.name, unit=self.unit, default=default, about=f"a signal of kind {self.kind}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value that a file or an option gives, and which one."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceSettings:
    """All that is said about pace before a run begins. Of two values for one name the later one counts."""

    given: tuple[Given, ...] = ()
    custom: tuple[CustomSignal, ...] = ()
    ignored_replicas: tuple[str, ...] = ()  # by application_name: late on purpose

    @property
    def settings(self) -> tuple[Setting, ...]:
        """How the signals of the user's own can be set."""
        return tuple(signal.setting for signal in self.custom)

    def with_options(self, options: tuple[str, ...]) -> "PaceSettings":
        """The same with options `NAME=VALUE` of the command line.

        Raises:
            UsageError: One of them says nothing that can be set.
        """
        more = []
        for option in options:
            name, equals, value = option.partition("=")
            if not equals:
                raise UsageError(
                    f"--limit {option!r} is not NAME=VALUE", advice="For example: --limit replica-lag=30s"
                )
            if value != DEFAULT:
                parse_limit(find_setting(name, self.settings), value)
            more.append(Given(name=name, value=value, source="--limit"))
        return replace(self, given=(*self.given, *more))


def read_run(table: Table | None) -> PaceSettings:
    """The `[run]` table.

    Raises:
        UsageError: Something in it is not known or not possible.
    """
    if table is None:
        return PaceSettings()
    table.known(("pace",))
    pace = table.table("pace")
    if pace is None:
        return PaceSettings()
    custom = tuple(_signal(each) for each in pace.tables(SIGNALS))
    names = [signal.name for signal in custom]
    for number, name in enumerate(names):
        if name in (*NAMES, *_NO_LIMITS) or name in names[:number]:
            pace.fail(SIGNALS, f"there is more than one signal named '{name}'")
    pace.known((*NAMES, *names, *_NO_LIMITS))
    settings = tuple(signal.setting for signal in custom)
    given = tuple(_given(pace, name, settings) for name in pace.value if name not in _NO_LIMITS)
    return PaceSettings(given=given, custom=custom, ignored_replicas=pace.texts(IGNORED_REPLICAS))


def environment_value(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """What a variable holds; None when it is not set or empty."""
    return (os.environ if environment is None else environment).get(name) or None


def _given(table: Table, name: str, settings: tuple[Setting, ...]) -> Given:
    value = str(table.value[name]) if type(table.value[name]) in (int, float) else table.text_of(name)
    try:
        parse_limit(find_setting(name, settings), value)
    except UsageError as error:
        table.fail(name, error.message, error.advice)
    return Given(name=name, value=value, source=_place(table, name))


def _place(table: Table, key: str) -> str:
    line = line_of(table.text, (*table.keys, key))
    return f"{table.file}:{line}" if line else table.file


def _signal(table: Table) -> CustomSignal:
    table.known(SIGNAL_KEYS)
    kind = table.word("kind", Kind)
    if kind is None:
        table.fail(None, f"'kind' is missing{table.name}", f"Possible: {', '.join(Kind)}.")
    name = table.text_of("name")
    if not _NAME.fullmatch(name):
        table.fail("name", f"'name'{table.name} is lower case words with dashes, not {name!r}")
    signal = CustomSignal(
        name=name,
        kind=kind,
        limit=table.text_of("limit"),
        query=table.text_of("query"),
        url=table.text_of("url"),
        url_env=table.text_of("url_env"),
        token_env=table.text_of("token_env"),
        database_env=table.text_of("database_env"),
        unreadable=table.word("unreadable", Unreadable) or Unreadable.HOLD,
        timeout=table.seconds("timeout", 2.0),
        unit=table.word("unit", Unit) or Unit.COUNT,
        place=_place(table, "limit" if "limit" in table.value else "name"),
    )
    _require_parts(table, signal)
    return signal


def _require_parts(table: Table, signal: CustomSignal) -> None:
    if signal.kind is not Kind.HTTP and not signal.query:
        table.fail(None, f"'query' is missing{table.name}")
    if signal.kind is not Kind.SQL and bool(signal.url) == bool(signal.url_env):
        table.fail(None, f"either 'url' or 'url_env' is needed{table.name}")
    if signal.kind is Kind.SQL and (signal.url or signal.url_env or signal.token_env):
        table.fail(None, f"a signal of kind sql has no URL or token{table.name}", "Use 'database_env'.")
    if signal.kind is not Kind.HTTP and signal.limit in ("", OFF):
        table.fail(None, f"'limit' is missing{table.name}", 'For example: limit = "5..10"')
    if signal.limit:
        try:
            parse_limit(signal.setting, signal.limit)
        except UsageError as error:
            table.fail("limit", error.message, error.advice)
