"""A connection for Alembic's revisions that renders what changes something and never connects."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

from sqlalchemy import inspection, text
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.schema import DDLElement

from .recorder import Nothing, Recorder, describe

_READS = re.compile(r"\s*(?:select|with|show|values|table|explain|fetch)\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(?:insert|update|delete|merge)\b", re.IGNORECASE)
_NAMED = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_ASKED = (
    "asks the database, which is not there when a revision is rendered; migsafe went on as if the answer "
    "were empty, so what depends on the answer is not judged"
)


def executor(recorder: Recorder, dialect: Any) -> Any:
    """What renders a statement: it gives back an empty result, and never raises for one that cannot be."""

    def execute(construct: Any, *more: Any, **named: Any) -> Any:
        parameters = (
            named.get("multiparams") or named.get("params") or next((one for one in more if one), None)
        )
        if isinstance(construct, str):
            construct = text(construct)
        rows = parameters if isinstance(parameters, (list, tuple)) else [parameters]
        for row in rows:
            try:
                rendered = as_sql(bound(construct, row), dialect)
            except Exception as error:  # noqa: BLE001 -- whatever a type or a dialect raises
                recorder.problem("could not be written as SQL: " + describe(error))
                continue
            recorder.sql(rendered.strip() + ";")
        return Nothing()

    return execute


def bound(construct: Any, values: Any) -> Any:
    """The statement with its values in it."""
    if not isinstance(values, dict) or not values:
        return construct
    if hasattr(construct, "bindparams"):
        # SQLAlchemy leaves out what the text does not name.
        known = getattr(construct, "_bindparams", values)
        missing = [name for name in known if name not in values and getattr(known[name], "required", False)]
        if missing:
            raise ValueError("no value for the parameter " + ", ".join(missing))
        return construct.bindparams(**{name: value for name, value in values.items() if name in known})
    names = {name: value for name, value in values.items() if isinstance(name, str)}
    if getattr(construct, "is_insert", False):
        return construct.values(**names)
    return construct.params(**names)


def as_sql(construct: Any, dialect: Any) -> str:
    """The statement as text. A value that nobody knows how to write down becomes NULL."""
    if isinstance(construct, DDLElement):
        return str(construct.compile(dialect=dialect))
    try:
        return str(construct.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except Exception:
        compiled = construct.compile(dialect=dialect)
        values = compiled.params
        if any(value is None for value in values.values()):
            raise
        return _NAMED.sub(
            lambda found: literal(values[found.group(1)]) if found.group(1) in values else found.group(),
            str(compiled),
        )


def literal(value: Any) -> str:
    """A value as PostgreSQL reads it, for types that SQLAlchemy cannot write down itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, tuple):
        return "(" + (", ".join(literal(each) for each in value) or "NULL") + ")"
    if isinstance(value, (dict, list)):
        value = json.dumps(value, default=str)
    if isinstance(value, (str, dt.date, dt.time, uuid.UUID)):
        return "'" + str(value).replace("'", "''") + "'"
    return "NULL"


class OfflineConnection(MockConnection):
    """Stands for the database in a revision: renders what changes something, answers nothing."""

    closed = False

    def __init__(self, dialect: Any, render: Any, recorder: Recorder) -> None:
        super().__init__(dialect, render)
        self.render, self.recorder = render, recorder
        self.info: dict[str, Any] = {}

    def execute(self, obj: Any, parameters: Any = None, execution_options: Any = None) -> Any:  # noqa: ARG002
        """Renders or answers a statement; options say nothing about its SQL."""
        if asks(obj) and not self.recorder.is_discarded():
            self.recorder.problem(_ASKED)
        else:
            self.render(obj, parameters)
        return Nothing()

    def exec_driver_sql(self, statement: str, parameters: Any = None, **_options: Any) -> Any:
        """The same, for text that is no construct."""
        return self.execute(statement, parameters)

    def scalar(self, obj: Any, parameters: Any = None, **_options: Any) -> None:
        """The same, for one value."""
        self.execute(obj, parameters)

    def scalars(self, obj: Any, parameters: Any = None, **_options: Any) -> Any:
        """The same, for one column."""
        return self.execute(obj, parameters)

    def connect(self, **_options: Any) -> Any:
        """Itself."""
        return self

    def execution_options(self, **_options: Any) -> Any:
        """Itself."""
        return self

    def in_transaction(self) -> bool:
        """As far as a revision can tell."""
        return True

    @contextlib.contextmanager
    def begin(self) -> Iterator[Any]:
        """A transaction inside of Alembic's: nothing to render."""
        yield self

    begin_nested = begin

    def commit(self) -> None:
        """Ends the transaction; SQLAlchemy begins the next one at once, and nobody commits that."""
        self.recorder.lost_transaction = True
        self.recorder.sql("COMMIT;")
        self.recorder.sql("BEGIN;")

    def rollback(self) -> None:
        """Nothing was done that could be taken back."""

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_reason: object) -> None:
        pass


class OfflineInspector:
    """An empty database, whatever it is asked for."""

    default_schema_name = "public"

    def __init__(self, connection: OfflineConnection) -> None:
        self.bind = self.engine = connection
        self.dialect = connection.dialect

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def answer(*_args: Any, **_kwargs: Any) -> Any:
            self.bind.recorder.problem(_ASKED)
            if name.startswith("has_"):
                return False
            return {} if name in ("get_pk_constraint", "get_table_comment") else []

        return answer


with contextlib.suppress(Exception):
    # What sqlalchemy.inspect() asks for its answer; without it a revision that inspects is a problem.
    inspection._inspects(OfflineConnection)(OfflineInspector)


def asks(statement: Any) -> bool:
    """Whether a statement only reads."""
    if isinstance(statement, str) or hasattr(statement, "text"):
        written = statement if isinstance(statement, str) else str(statement.text)
        return bool(_READS.match(written)) and not _WRITES.search(written)
    return bool(getattr(statement, "is_select", False))
