"""What we say about the transactions around a revision is what `alembic upgrade` does on a real server."""

import io
import re
import sys
from itertools import groupby
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import InternalError

from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.rules import shipped_rules
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.settings import SourceSettings
from migsafe.sql.operations import Begin, Commit
from migsafe.sql.script import read_script

# Each mark says in which transaction it runs. A server gives every transaction that writes its own number.
MARK = "op.execute(\"INSERT INTO marks VALUES ('{}', pg_current_xact_id()::text)\")"

ENV = """\
from alembic import context
from sqlalchemy import NullPool, create_engine

url = context.config.get_main_option("sqlalchemy.url")
options = {options}
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
"""

BODIES = {
    "plain": "[1]\n[2]",
    "only_block": "with op.get_context().autocommit_block():\n    [1]\n    [2]",
    "block_in_the_middle": "[1]\n[2]\nwith op.get_context().autocommit_block():\n    [3]\n    [4]\n[5]\n[6]",
    "two_blocks": "with op.get_context().autocommit_block():\n    [1]\n[2]\n"
    "with op.get_context().autocommit_block():\n    [3]\n    [4]",
    "nothing_around_but_text": "[1]\nop.execute('SELECT 1')\n[2]",
}


def make(folder: Path, url: str, options: dict[str, bool], bodies: dict[str, str]) -> None:
    (folder / "versions").mkdir()
    (folder / "env.py").write_text(ENV.format(options=options), encoding="utf-8")
    (folder / "alembic.ini").write_text(
        f"[alembic]\nscript_location = %(here)s\nsqlalchemy.url = {url.replace('%', '%%')}\n",
        encoding="utf-8",
    )
    below = None
    for name, body in bodies.items():
        marked = re.sub(r"\[(\d)\]", MARK.format(rf"{name} \1"), body)
        lines = "".join(f"    {line}\n" for line in marked.splitlines())
        (folder / "versions" / f"{name}.py").write_text(
            f"from alembic import op\n\nrevision, down_revision = {name!r}, {below!r}\n\n\n"
            f"def upgrade():\n{lines}",
            encoding="utf-8",
        )
        below = name


def url_of(database: str) -> str:
    parts = psycopg.conninfo.conninfo_to_dict(database)
    return "postgresql+psycopg://?" + urlencode(parts)


def marks_together(source: Source) -> list[list[str]]:
    """The marks of a revision, those of one transaction in one list, as its rendered SQL has them."""
    assert source.in_transaction is not None
    groups: list[list[str]] = [[]]
    inside = source.in_transaction
    for statement in read_script(source.text).statements:
        match statement.operations:
            case [Begin()]:
                assert not inside, "BEGIN inside a transaction"
                inside = True
                groups.append([])
            case [Commit()]:
                assert inside, "COMMIT outside a transaction"
                inside = False
                groups.append([])
            case _:
                if not inside:
                    groups.append([])
                groups[-1] += [part for part in statement.text.split("'") if part.startswith(source.revision)]
    assert inside == source.in_transaction, "a transaction without an end"
    return [group for group in groups if group]


@pytest.mark.parametrize("per_migration", [True, False])
@pytest.mark.parametrize("transactional", [True, False])
def test_the_transactions_of_a_revision_are_those_that_a_server_sees(
    tmp_path: Path, database: str, *, per_migration: bool, transactional: bool
) -> None:
    options = {"transaction_per_migration": per_migration, "transactional_ddl": transactional}
    make(tmp_path, url_of(database), options, BODIES)
    configured = SourceSettings(path="alembic.ini", python=sys.executable)
    sources = gather(Request(sources=(configured,), root=tmp_path), stdin=io.BytesIO())
    assert [source.revision for source in sources] == list(BODIES)

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE marks (name text, transaction text)")
        for name in BODIES:
            # One at a time, as a deployment of this revision alone.
            command.upgrade(Config(tmp_path / "alembic.ini"), name)
        seen = connection.execute(
            "SELECT name, transaction FROM marks ORDER BY transaction::bigint, name"
        ).fetchall()
        stamp = connection.execute("SELECT xmin::text, version_num FROM alembic_version").fetchone()
    for source in sources:
        here = [row for row in seen if row[0].startswith(source.revision + " ")]
        observed = [[name for name, _ in group] for _, group in groupby(here, key=lambda row: row[1])]
        assert marks_together(source) == observed, source.text
    assert stamp == (seen[-1][1], list(BODIES)[-1])


@pytest.mark.parametrize(
    ("body", "kept", "said"),
    [
        ("[1]\nop.get_bind().commit()\n[2]", ["commits 1"], ["early-commit", "unfinished-transaction"]),
        (
            "[1]\nop.get_bind().commit()\nwith op.get_context().autocommit_block():\n    [2]\n[3]",
            ["commits 1", "commits 2"],
            ["unfinished-transaction"],
        ),
    ],
)
def test_a_commit_on_the_connection_loses_what_follows_as_we_say(
    tmp_path: Path, database: str, body: str, kept: list[str], said: list[str]
) -> None:
    make(tmp_path, url_of(database), {}, {"commits": body})
    configured = SourceSettings(path="alembic.ini", python=sys.executable)
    (source,) = gather(Request(sources=(configured,), root=tmp_path), stdin=io.BytesIO())
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE marks (name text, transaction text)")
        command.upgrade(Config(tmp_path / "alembic.ini"), "head")
        rows = connection.execute("SELECT name FROM marks ORDER BY name").fetchall()
        assert [name for (name,) in rows] == kept
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == []
    found = Linter(shipped_rules()).lint([source], LintOptions())
    rules = [finding.rule for file in found.files for finding in file.findings]
    assert rules == said


def test_a_commit_in_sql_is_followed_by_the_next_transaction_of_the_driver(
    tmp_path: Path, database: str
) -> None:
    body = "op.execute('COMMIT')\n[1]\nop.execute('CREATE INDEX CONCURRENTLY i ON marks (name)')"
    make(tmp_path, url_of(database), {}, {"commits": body})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE marks (name text, transaction text)")
        with pytest.raises(InternalError, match="cannot run inside a transaction block"):
            command.upgrade(Config(tmp_path / "alembic.ini"), "head")
        assert connection.execute("SELECT name FROM marks").fetchall() == []
