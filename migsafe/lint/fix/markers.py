"""How migration tools are told, in the script itself, to open no transaction around it.

Flyway needs no telling: it sees statements that PostgreSQL refuses in a transaction.
"""

import re
from collections.abc import Sequence

from migsafe.lint.fix.model import Edit
from migsafe.lint.fix.place import new_line
from migsafe.lint.fix.refused import Refused
from migsafe.lint.fix.scene import Scene
from migsafe.sql.split import split

# The marker's line, and what is put behind it or (goose) in front of it.
# https://github.com/amacneil/dbmate#migration-options
_DBMATE = re.compile(
    r"(?im)^\ufeff?--[ \t]*migrate:up\b(?![^\r\n]*transaction:)[^\r\n]*?(?=[ \t]*(?:\r|\n|\Z))"
)
# https://pressly.github.io/goose/documentation/annotations/#no-transaction
_GOOSE = re.compile(r"(?im)^\ufeff?--\s*\+goose[ \t]+up\b")
_GOOSE_DOWN = re.compile(r"(?im)^\ufeff?--\s*\+goose[ \t]+down\b")
# https://docs.liquibase.com/concepts/changelogs/attributes/run-in-transaction.html
_LIQUIBASE = re.compile(
    r"(?im)^\ufeff?[ \t]*--[ \t]*changeset[ \t]+(?![^\r\n]*runInTransaction:)[^\r\n]*?(?=[ \t]*(?:\r|\n|\Z))"
)
_DBMATE_WORDS, _GOOSE_WORDS, _LIQUIBASE_WORDS = (
    " transaction:false",
    "-- +goose NO TRANSACTION",
    " runInTransaction:false",
)


def is_marker(edit: Edit) -> bool:
    """Whether an edit speaks to a tool: what it changes is no part of the SQL that runs."""
    return edit.text.rstrip("\r\n") in {_DBMATE_WORDS, _GOOSE_WORDS, _LIQUIBASE_WORDS}


def without_transaction(scene: Scene, others: Sequence[str]) -> tuple[Edit, ...]:
    """The edits that make the tool run this script without a transaction; `others` are to run beside it.

    Raises:
        Refused: The tool cannot be told in the script, or other statements need the transaction.
    """
    advice = "the migration tool runs this script in a transaction: turn that off for this migration"
    if len(scene.script.statements) != 1:
        raise Refused(f"{advice}, and move the other statements to another one")
    file = scene.file_text
    match scene.source.tool:
        case "flyway" if not others:
            return ()
        case "dbmate" if not others:
            return (_behind(_DBMATE, file, _DBMATE_WORDS, advice),)
        case "goose":
            found = _only(_GOOSE, file, advice)
            at = found.start() + found.group().startswith("\ufeff")
            down = _GOOSE_DOWN.search(file)
            if down and len(split(file[down.end() :]).statements) > 1:
                raise Refused(f"{advice}, and see to its Down half, which would have none either")
            return (Edit(start=at, end=at, text=f"{_GOOSE_WORDS}{new_line(file)}"),)
        case "liquibase":
            return (_behind(_LIQUIBASE, file, _LIQUIBASE_WORDS, advice),)
        case _:
            raise Refused(advice)


def _behind(marker: re.Pattern[str], file: str, words: str, advice: str) -> Edit:
    at = _only(marker, file, advice).end()
    return Edit(start=at, end=at, text=words)


def _only(marker: re.Pattern[str], file: str, advice: str) -> re.Match[str]:
    found = list(marker.finditer(file))
    if len(found) != 1:
        raise Refused(advice)
    return found[0]
