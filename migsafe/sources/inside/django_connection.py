"""A PostgreSQL connection of Django that never connects, and a schema editor that knows names by heart."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from typing import Any

from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from .django_names import Names


class NeedsDatabase(Exception):
    """A part of a migration asks the database, which is not there."""


class OfflineCursor:
    """A cursor that can be opened, and no more."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_reason: object) -> None:
        pass

    def execute(self, *_args: Any, **_kwargs: Any) -> None:
        """Refuses."""
        raise NeedsDatabase("it asks the database, which is not there when a migration is rendered")

    executemany = callproc = fetchone = fetchall = fetchmany = execute


def offline(alias: str, server_version: int) -> Any:
    """The connection of an alias, as one to PostgreSQL `server_version` (160000: 16)."""
    wrapper: Any = connections[alias]
    if wrapper.vendor != "postgresql":
        wrapper = DatabaseWrapper({**wrapper.settings_dict, "NAME": "offline"}, alias)
        connections[alias] = wrapper

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        OfflineCursor().execute()

    wrapper.connect = wrapper.ensure_connection = refuse
    wrapper.cursor = wrapper.chunked_cursor = lambda *_args, **_kwargs: OfflineCursor()
    wrapper.__dict__["pg_version"] = server_version
    wrapper.ops.compose_sql = compose
    wrapper.introspection.get_sequences = lambda *_args, **_kwargs: []
    return wrapper


def compose(sql: str, params: Any) -> str:
    """The statement with its values in it."""
    return str(sql % tuple(quote(value) for value in params)) if params else sql


def quote(value: Any) -> str:
    """A value as PostgreSQL reads it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, decimal.Decimal)):
        return str(value)
    if isinstance(value, (bytes, memoryview)):
        return "'\\x" + bytes(value).hex() + "'"
    if isinstance(value, (dt.date, dt.time, uuid.UUID)):
        return f"'{value}'"
    if isinstance(value, (list, tuple)):
        return "ARRAY[" + ", ".join(quote(one) for one in value) + "]" if value else "'{}'"
    if not isinstance(value, str):
        # A wrapper for JSON, in psycopg 2 and 3.
        inner = getattr(value, "obj", getattr(value, "adapted", value))
        value = inner if isinstance(inner, str) else json.dumps(inner, default=str)
    return "'" + str(value).replace("'", "''") + "'"


def steady(value: Any) -> Any:
    """What stands for a default that is another one in each run: the same statement must look the same."""
    if isinstance(value, dt.datetime):
        return dt.datetime(2000, 1, 1, tzinfo=value.tzinfo)
    if isinstance(value, dt.date):
        return dt.date(2000, 1, 1)
    if isinstance(value, dt.time):
        return dt.time(0, tzinfo=value.tzinfo)
    if isinstance(value, uuid.UUID):
        return uuid.UUID(int=0)
    return "x" * len(value) if isinstance(value, str) else value


def editor_of(connection: Any, names: Names) -> Any:
    """A schema editor that collects SQL, and takes the names of constraints from memory."""

    class OfflineEditor(connection.SchemaEditorClass):  # type: ignore[misc]
        """Django asks the database for names that it gave itself; this one remembers them."""

        def execute(self, sql: Any, params: Any = ()) -> Any:
            """Collects a statement, and the names in it."""
            names.learn(str(sql))
            return super().execute(sql, params)

        def effective_default(self, field: Any) -> Any:
            """The default that existing rows get, or what stands for it if it is made anew each time."""
            value = super().effective_default(field)
            is_now = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
            if is_now or (callable(field.default) and not isinstance(value, str)):
                return steady(value)
            # A string may be a setting, which stays, or a token, which does not.
            return value if value == super().effective_default(field) else steady(value)

        def quote_value(self, value: Any) -> str:
            """A value as PostgreSQL reads it."""
            return quote(value)

        def _is_collation_deterministic(self, _name: str) -> bool:
            return True

        def _constraint_names(self, model: Any, *args: Any, **kwargs: Any) -> Any:
            known = names.of(self, model)
            self.connection.introspection.get_constraints = lambda *_args: known
            return super()._constraint_names(model, *args, **kwargs)

    return OfflineEditor(connection, collect_sql=True, atomic=False)
