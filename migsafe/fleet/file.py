"""The file that says which databases a fleet has. It holds no password: those come from the environment."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from migsafe.config.values import Table
from migsafe.errors import UsageError
from migsafe.fleet.address import TO_THE_ENVIRONMENT, Place, assemble, fill, parse_url, same_place
from migsafe.fleet.model import Application, Database, Fleet
from migsafe.fleet.query import Row, ask
from migsafe.fleet.waves import DEFAULT_SIZES, parse_sizes
from migsafe.plan.toml.durations import parse_duration

KEYS = (
    *("url", "direct_url", "names", "databases", "query"),
    *("application", "canary", "waves", "parallel", "pause"),
)
DATABASE_KEYS = (
    *("name", "url", "url_env", "direct_url", "direct_url_env"),
    *("host", "port", "dbname", "user"),
)
QUERY_KEYS = ("url", "url_env", "sql")
MOST_PARALLEL = 64
_FORBIDDEN = frozenset(",*?[]\"'")


def load_fleet(path: Path, environment: Mapping[str, str]) -> Fleet:
    """The fleet in a file; a query in it is asked.

    Raises:
        UsageError: The file cannot be read, something in it is wrong, or it names no database.
        ConnectionFailed: The control database of its query cannot be reached.
    """
    text = _read(path)
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    table = Table(value, file=str(path), text=text, keys=(), name="")
    _refuse_passwords(table)
    table.known(KEYS)
    databases = tuple(_databases(table, environment))
    if not databases:
        table.fail(
            None,
            "the fleet has no database" + (": its query found none" if "query" in value else ""),
            "Name them in `names`, in [[databases]], or by a [query].",
        )
    _require_different(databases)
    return Fleet(
        databases=databases,
        application=table.word("application", Application) or Application.ONE,
        canary=table.text_of("canary") or None,
        sizes=parse_sizes(_list(table, "waves")) or DEFAULT_SIZES,
        parallel=table.number("parallel", 1, MOST_PARALLEL) or Fleet(databases=()).parallel,
        pause_seconds=parse_duration(table.text_of("pause", "0s")),
    )


def _databases(table: Table, environment: Mapping[str, str]) -> Iterator[Database]:
    template, direct = table.text_of("url"), table.text_of("direct_url")
    maker = _Maker(table.file, template, direct, environment)
    for name in table.texts("names"):
        yield maker.database({"name": name}, "in 'names'")
    for each in table.tables("databases"):
        each.known(DATABASE_KEYS)
        fields = {key: each.text_of(key) for key in DATABASE_KEYS if key in each.value and key != "port"}
        if (port := each.number("port", 1, 65535)) is not None:
            fields["port"] = str(port)
        if not fields.get("name"):
            each.fail(None, "a database without a name", 'Add name = "...".')
        yield maker.database(fields, each.name.removeprefix(" "))
    query = table.table("query")
    if query is not None:
        query.known(QUERY_KEYS)
        for row in _ask(query, environment):
            yield maker.database(row, "found by the query")


class _Maker:
    def __init__(self, file: str, template: str, direct: str, environment: Mapping[str, str]) -> None:
        self._file, self._template, self._direct = file, template, direct
        self._environment = environment

    def database(self, fields: Mapping[str, str], where: str) -> Database:
        name = fields["name"]
        place = Place(f"{self._file}: the database '{name}' ({where})")
        if name != name.strip() or not name.isprintable() or _FORBIDDEN & set(name):
            raise place.error("a name has no commas, quotes, * ? [ ], and no spaces at its ends")
        parts = {key: fields[key] for key in ("name", "host", "port", "dbname", "user") if fields.get(key)}
        dsn = self._own(fields, "url", place)
        if dsn is None:
            dsn = fill(self._template, parts, place) if self._template else assemble(parts, place)
        direct = self._own(fields, "direct_url", place)
        if direct is None and self._direct:
            direct = fill(self._direct, parts, place)
        return Database(name=name, dsn=dsn, direct_dsn=direct, place=place.text)

    def _own(self, fields: Mapping[str, str], key: str, place: Place) -> str | None:
        """The database's own URL, if it has one."""
        variable, url = fields.get(f"{key}_env"), fields.get(key)
        if variable and url:
            raise place.error(f"it has both {key} and {key}_env", "One of them is enough.")
        if variable:
            found = from_environment(variable, self._environment, place)
            parse_url(found, place, secret=True)
            return found
        if url:
            parse_url(url, place)
        return url or None


def from_environment(variable: str, environment: Mapping[str, str], place: Place) -> str:
    """The value of a variable that must be set.

    Raises:
        UsageError: It is not.
    """
    found = environment.get(variable)
    if not found:
        raise place.error(
            f"the environment variable {variable} is not set", f"export {variable}=postgresql://..."
        )
    return found


def _ask(query: Table, environment: Mapping[str, str]) -> tuple[Row, ...]:
    place = Place(f"{query.file}: [query]")
    variable, url, sql = query.text_of("url_env"), query.text_of("url"), query.text_of("sql")
    if bool(variable) == bool(url):
        query.fail(None, "[query] needs a url or a url_env, one of them", 'url_env = "CONTROL_DATABASE_URL"')
    if not sql.strip():
        query.fail(None, "[query] needs the sql to ask", 'sql = "SELECT name, host, dbname FROM shards"')
    if variable:
        url = from_environment(variable, environment, place)
    parse_url(url, place, secret=bool(variable))
    return ask(url, sql, place)


def _require_different(databases: Sequence[Database]) -> None:
    """No name twice, and no database under two names: it would be migrated by two at once."""
    names: dict[str, Database] = {}
    places: dict[tuple[str, ...], Database] = {}
    for database in databases:
        if database.name in names:
            raise UsageError(
                f"{database.place}: the name is there twice",
                advice=f"Also: {names[database.name].place}. Names tell databases apart.",
            )
        names[database.name] = database
        other = places.setdefault(same_place(database.dsn), database)
        if other is not database:
            raise UsageError(
                f"{database.place}: it leads to the same database as '{other.name}'",
                advice=f"Take one of them out. Also: {other.place}.",
            )


def _refuse_passwords(table: Table) -> None:
    """A key that is called password gets more than `unknown key`."""
    tables = [table, *table.tables("databases"), *(filter(None, [table.table("query")]))]
    for each in tables:
        for key in each.value:
            if "password" in key.lower() or key.lower() in ("pgpassword", "secret"):
                each.fail(
                    key, f"{key!r}{each.name}: a password has no place in this file", TO_THE_ENVIRONMENT
                )


def _list(table: Table, key: str) -> list[str | int]:
    value = table.value.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str | int) for one in value):
        table.fail(key, f"{key!r} is a list", f'{key} = [5, "25%", "rest"]')
    return value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"there is no file {path}", advice="It names the databases of the fleet: see docs/fleet.md"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
