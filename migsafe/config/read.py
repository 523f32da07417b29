"""From a configuration file to a checked Config."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from migsafe.config.find import Found, find_file, named_file, repository_root
from migsafe.config.model import AlembicSettings, Config, PathSettings, RuleLayer, relative_to
from migsafe.config.values import Table
from migsafe.config.words import FailOn, Layout, Level, ScriptPhase, Transaction
from migsafe.errors import UsageError
from migsafe.sources.settings import SourceKind, SourceSettings

if TYPE_CHECKING:
    from migsafe.config.pace import PaceSettings
    from migsafe.config.webhooks import WebhookSettings

OLDEST, NEWEST = 14, 18
KEYS = (
    *("server_version", "transaction", "fail_on", "schema", "baseline", "exclude"),
    *("small_tables", "small_table_rows", "phases", "rules", "sources", "paths", "alembic", "run"),
    "webhooks",
)
ALEMBIC_KEYS = (
    *("layout", "expand_label", "contract_label", "inline_sql", "autogenerate"),
    *("lock_timeout", "statement_timeout", "idle_timeout", "attempts"),
)
PATH_KEYS = ("match", "server_version", "transaction", "phase", "small_tables", "rules")
SOURCE_KEYS = (
    *("kind", "path", "start_after", "python", "timeout"),
    *("environment", "arguments", "section", "run_env", "placeholders"),
)


def load_config(*, current: Path | None = None, file: str = "", isolated: bool = False) -> Config:
    """The configuration that holds in the folder `current`.

    `file` names a file instead of a search; `isolated` leaves every file aside.

    Raises:
        UsageError: A file cannot be read, or something in it is not known or not possible.
    """
    current = (current or Path.cwd()).absolute()
    root = repository_root(current)
    found: Found | None = None
    if file:
        found = named_file(current / file)
    elif not isolated:
        found = find_file(current)
    if found is None:
        base = str(root or current)
        return Config(root=base, current=str(current), repository=base)
    return read_config(found, current=current, repository=root)


def read_config(found: Found, *, current: Path, repository: Path | None) -> Config:
    """The configuration in this file.

    Raises:
        UsageError: Something in it is not known or not possible.
    """
    folder = found.path.absolute().parent
    file = relative_to(str(current), str(found.path.absolute()))
    value: Any = parse_toml(found.text, file)
    for key in found.table:
        value = value[key]
    name = f" in [{'.'.join(found.table)}]" if found.table else ""
    if not isinstance(value, dict):
        raise UsageError(f"{file}: tool.migsafe is a table, not {value!r}")
    table = Table(value, file=file, text=found.text, keys=found.table, name=name)
    table.known(KEYS)
    defaults = Config()
    rows = table.number("small_table_rows", 0)
    return Config(
        file=file,
        text=found.text,
        table=found.table,
        root=str(folder),
        current=str(current),
        repository=str(repository or folder),
        server_version=table.number("server_version", OLDEST, NEWEST),
        transaction=table.word("transaction", Transaction) or defaults.transaction,
        fail_on=table.word("fail_on", FailOn) or defaults.fail_on,
        schema=table.text_of("schema"),
        baseline=table.text_of("baseline"),
        exclude=table.texts("exclude"),
        small_tables=table.texts("small_tables"),
        small_table_rows=defaults.small_table_rows if rows is None else rows,
        phases=_phases(table.table("phases")),
        rules=_rules(table.table("rules")),
        sources=tuple(_source(each) for each in table.tables("sources")),
        paths=tuple(_path(each) for each in table.tables("paths")),
        alembic=_alembic(table.table("alembic")),
        pace=_pace(table.table("run")),
        webhooks=_webhooks(table.tables("webhooks")),
    )


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """The document.

    Raises:
        UsageError: It is not TOML; the message has the line.
    """
    import tomllib  # noqa: PLC0415 -- seldom needed, and slow to import

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not valid TOML: {error}", advice="Correct the file.") from error


def _phases(table: Table | None) -> tuple[tuple[str, ScriptPhase], ...]:
    if table is None:
        return ()
    return tuple((pattern, phase) for pattern in table.value if (phase := table.word(pattern, ScriptPhase)))


def _rules(table: Table | None) -> RuleLayer | None:
    if table is None:
        return None
    levels = {name: level for name in table.value if (level := table.word(name, Level))}
    return RuleLayer(levels=levels, where=table.file, keys=table.keys)


def _source(table: Table) -> SourceSettings:
    table.known(SOURCE_KEYS)
    default = SourceSettings()
    return SourceSettings(
        kind=table.word("kind", SourceKind) or default.kind,
        path=table.text_of("path", default.path),
        start_after=table.text_of("start_after"),
        python=table.text_of("python"),
        timeout=table.seconds("timeout", default.timeout),
        environment=table.text_table("environment"),
        arguments=table.texts("arguments"),
        section=table.text_of("section"),
        run_env=table.flag("run_env", default=default.run_env),
        placeholders=table.text_table("placeholders"),
    )


def _alembic(table: Table | None) -> AlembicSettings:
    default = AlembicSettings()
    if table is None:
        return default
    table.known(ALEMBIC_KEYS)
    given = {
        key: table.seconds(key, 1.0) for key in ("statement_timeout", "idle_timeout") if key in table.value
    }
    expand = table.text_of("expand_label", default.expand_label)
    contract = table.text_of("contract_label", default.contract_label)
    if not expand or not contract or expand == contract:
        table.fail("contract_label", f"the two labels{table.name} are two different names")
    return AlembicSettings(
        layout=table.word("layout", Layout) or default.layout,
        expand_label=expand,
        contract_label=contract,
        inline_sql=table.flag("inline_sql", default=default.inline_sql),
        autogenerate=table.flag("autogenerate", default=default.autogenerate),
        lock_timeout=table.seconds("lock_timeout", default.lock_timeout),
        statement_timeout=given.get("statement_timeout", default.statement_timeout),
        idle_timeout=given.get("idle_timeout", default.idle_timeout),
        attempts=table.number("attempts", 1) or default.attempts,
    )


def _pace(table: Table | None) -> "PaceSettings | None":
    if table is None:
        return None
    from migsafe.config.pace import read_run  # noqa: PLC0415 -- a hook that lints has no use for it

    return read_run(table)


def _webhooks(tables: list[Table]) -> "tuple[WebhookSettings, ...]":
    if not tables:
        return ()
    from migsafe.config.webhooks import read_webhook  # noqa: PLC0415 -- a hook that lints has no use for it

    return tuple(read_webhook(each) for each in tables)


def _path(table: Table) -> PathSettings:
    table.known(PATH_KEYS)
    match table.value.get("match"):
        case str(pattern) if pattern:
            patterns: tuple[str, ...] = (pattern,)
        case list(_):
            patterns = table.texts("match")
        case None:
            table.fail(None, f"'match' is missing{table.name}", 'For example: match = "services/billing/**"')
        case other:
            table.fail("match", f"'match'{table.name} is a pattern or a list of them, not {other!r}")
    return PathSettings(
        match=patterns,
        server_version=table.number("server_version", OLDEST, NEWEST),
        transaction=table.word("transaction", Transaction),
        phase=table.word("phase", ScriptPhase),
        small_tables=table.texts("small_tables") if "small_tables" in table.value else None,
        rules=_rules(table.table("rules")),
    )
