"""From what a file or a query says about a database to its connection string, without any password."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import conninfo

from migsafe.errors import UsageError
from migsafe.suggest import did_you_mean

FIELDS = ("name", "host", "port", "dbname", "user")
_PARAMETERS = ("host", "port", "dbname", "user")
_SECRETS = ("password", "sslpassword")
_HOLE = re.compile(r"\{([^{}]*)\}")
TO_THE_ENVIRONMENT = (
    "Take it out, and give it by PGPASSWORD, by a password file (PGPASSFILE, ~/.pgpass), or as part of a URL "
    "in an environment variable that url_env names."
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written, for messages: `fleet.toml:7: the database 'shard_01'`."""

    text: str

    def error(self, problem: str, advice: str = "") -> UsageError:
        """An error that names the place."""
        return UsageError(f"{self.text}: {problem}", advice=advice)


def parse_url(url: str, place: Place, *, secret: bool = False) -> dict[str, str]:
    """The parameters of a URL; only a `secret` one, from the environment, may have a password.

    Raises:
        UsageError: It cannot be read, or has a password. The message does not repeat any of it.
    """
    try:
        found = {key: str(value) for key, value in conninfo.conninfo_to_dict(url).items()}
    except (psycopg.Error, UnicodeError):
        raise place.error(
            "its URL cannot be read",
            "Write it as postgresql://user@host:5432/name; special signs in percent form.",
        ) from None
    if not secret and any(found.get(key) for key in _SECRETS):
        raise place.error("its URL has a password, which belongs into the environment", TO_THE_ENVIRONMENT)
    return found


def fill(template: str, fields: Mapping[str, str], place: Place) -> str:
    """The connection string of one database: the template with its fields.

    A value never becomes more than the value of its parameter, whatever signs it has. A field that the
    template does not name takes the place of the template's own value.

    Raises:
        UsageError: The template names something else, or something that this database does not have.
    """
    known = {"dbname": fields["name"], **fields}

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in FIELDS:
            raise place.error(
                f"the URL template has {{{name}}}{did_you_mean(name, FIELDS)}", f"Known: {', '.join(FIELDS)}."
            )
        if name not in known:
            raise place.error(f"the URL template needs '{name}', which this database does not have")
        return known[name]

    parsed = parse_url(template, place)
    named = {hole for text in parsed.values() for hole in _HOLE.findall(text)}
    filled = {key: _HOLE.sub(value, text) for key, text in parsed.items()}
    given = {key: fields[key] for key in _PARAMETERS if key in fields and key not in named}
    return conninfo.make_conninfo("", **{**filled, **given})


def assemble(fields: Mapping[str, str], place: Place) -> str:
    """The connection string from host, port, dbname (else the name) and user alone.

    Raises:
        UsageError: There is neither a host nor a dbname.
    """
    if "host" not in fields and "dbname" not in fields:
        raise place.error(
            "nothing says where it is",
            "Give it url, url_env, or host and dbname, or give the file a template: "
            'url = "postgresql://app@{host}/{name}"',
        )
    parts = {"dbname": fields["name"], **{key: fields[key] for key in _PARAMETERS if key in fields}}
    return conninfo.make_conninfo("", **parts)


def same_place(dsn: str) -> tuple[str, ...]:
    """What two URLs have in common that lead to the same database."""
    found = conninfo.conninfo_to_dict(dsn)
    host = found.get("hostaddr") or found.get("host") or ""
    return (
        str(host),
        str(found.get("port") or ""),
        str(found.get("dbname") or ""),
        str(found.get("service") or ""),
    )
