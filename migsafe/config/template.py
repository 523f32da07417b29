"""A first configuration, with comments, for what was found in a repository."""

import json

from migsafe.config.read import NEWEST, OLDEST
from migsafe.config.scan import Scan

_HEAD = """\
# Configuration of migsafe. Every key is described in
# https://github.com/migsafe/migsafe/blob/main/docs/configuration.md
# `migsafe config` shows what is in effect; paths and patterns start at the folder of this file.
"""
_TAIL = """
# The least severity that makes the exit code 1: error, warning or never.
# fail_on = "error"

# Findings that are accepted from before. `migsafe lint --write-baseline` writes the file.
# baseline = "migsafe-baseline.toml"

# Scripts that are not judged; they are read as history all the same.
# exclude = ["**/vendor/**"]

# Tables whose size does not matter.
# small_tables = ["countries"]

# Scripts that run when no old version of the application is left. Without this, a script says it itself:
# -- migsafe: phase contract
# phases = { "migrations/contract/**" = "contract" }

# A rule by its name or id, or a group, to error, warning, on or off. `migsafe rules` lists them all.
# [rules]
# missing-statement-timeout = "off"
# naming = "warning"
"""
_NO_SOURCES = """
# Where the migrations are. Without a path, `migsafe lint` judges all of them.
# [[sources]]
# kind = "sql"
# path = "migrations"
"""
# What projects whose own Python renders their migrations may need.
_RUNS = """\
# Its interpreter, if neither a virtual environment nor PATH leads to it, and variables that it wants.
# python = ".venv/bin/python"
# environment = { DATABASE_URL = "postgresql://offline/offline" }
"""
_PROJECT = {
    "alembic": f"{_RUNS}# Without env.py, if that connects or needs the whole application.\n"
    "# run_env = false\n",
    "django": _RUNS,
}
_DJANGO_RULES = """\
# Django writes CASCADE whenever it drops something. Without views over its tables that is no danger.
# cascading-drop = "off"
"""
_PATHS = """
# What differs for some paths; later tables win.
# [[paths]]
# match = "services/billing/**"
# server_version = 14
# rules = { dropped-column = "warning" }
"""


def template(found: Scan) -> str:
    """The text of a migsafe.toml; it is valid as it is."""
    rules = _DJANGO_RULES if any(each.kind.value == "django" for each in found.sources) else ""
    parts = [_HEAD, _version(found), _schema(found), _TAIL, rules]
    parts += [_source(kind, path, because) for kind, path, because in _listed(found)] or [_NO_SOURCES]
    return "".join([*parts, _PATHS])


def _listed(found: Scan) -> list[tuple[str, str, str]]:
    return [(each.kind.value, each.path, each.because) for each in found.sources]


def _version(found: Scan) -> str:
    supported = [version for version in found.versions if OLDEST <= version <= NEWEST]
    said = ", ".join(map(str, found.versions))
    about = f"\n# The major version of PostgreSQL that the scripts run on ({OLDEST} to {NEWEST})."
    if not supported:
        return f"{about}\n# server_version = {NEWEST}\n"
    which = f" This repository names {said}; the oldest counts." if len(found.versions) > 1 else ""
    return f"{about}{which}\nserver_version = {min(supported)}\n"


def _schema(found: Scan) -> str:
    about = "\n# The schema before the first script, as pg_dump --schema-only writes it."
    if found.schema and not found.sources:
        return f"{about}\nschema = {json.dumps(found.schema, ensure_ascii=False)}\n"
    hint = f" {found.schema} is the schema after all of them." if found.schema else ""
    return f'{about}{hint}\n# schema = "db/before.sql"\n'


def _source(kind: str, path: str, because: str) -> str:
    return f"""
# Found by {because.encode("unicode_escape").decode()}.
[[sources]]
kind = {json.dumps(kind)}
path = {json.dumps(path, ensure_ascii=False)}
# The last script that is deployed everywhere: it and all before it are history and are not judged.
# start_after = "..."
{_PROJECT.get(kind, "")}"""
