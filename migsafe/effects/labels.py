"""A value that a transaction added to an enum cannot be used before the transaction is over.

https://www.postgresql.org/docs/current/sql-altertype.html
"""

from dataclasses import replace

from migsafe.catalog.model import Catalog
from migsafe.effects.model import Effects
from migsafe.sql.changes import AddLabel, RenameObject
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.operations import OtherStatement
from migsafe.sql.script import ReadStatement

_TYPES_KNOWN_SINCE = 170000  # before, values added to an enum of the same transaction are refused too


def with_new_labels(
    effects: Effects, statement: ReadStatement, catalog: Catalog, server_version: int
) -> Effects:
    """The effects of a statement that may use a value its own transaction added: a string says the same."""
    new = {
        label: found.name
        for found in catalog.types.values()
        if found.new_labels and found.labels_by == catalog.transaction
        for label in found.new_labels
    }
    if server_version < _TYPES_KNOWN_SINCE:
        for found in catalog.types.values():
            if found.created_by is not None and found.created_by == catalog.transaction:
                new.update(dict.fromkeys(found.labels, found.name))
    if not new or effects.fails or _changes_labels(statement):
        return effects
    for label in _strings(statement.text):
        if label in new:
            reason = f"the value {label} of {new[label]} cannot be used in the transaction that adds it"
            question = f"whether {label!r} stands for a value of {new[label]}"
            return replace(effects, fails=reason, certain=False, depends_on=(*effects.depends_on, question))
    return effects


def _changes_labels(statement: ReadStatement) -> bool:
    return all(
        isinstance(operation, OtherStatement)
        and bool(operation.changes)
        and all(isinstance(change, AddLabel | RenameObject) for change in operation.changes)
        for operation in statement.operations
    )


def _strings(text: str) -> list[str]:
    try:
        tokens = list(lex(text))
    except Unlexable:
        return []
    return [token.value for token in tokens if token.kind is TokenKind.STRING]
