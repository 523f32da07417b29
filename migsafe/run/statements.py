"""The SQL of a batch: the rows of some pages of one relation are updated, copied or taken away.

A row that somebody else has just changed is looked at again before it is touched, in all three forms
(READ COMMITTED): https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED

A copy locks its rows FOR SHARE until the copies are committed, the weakest lock that UPDATE and DELETE wait
for. Without it, a row that was deleted between the reading and the writing would live on as a copy: the
trigger that follows the application found no copy yet to delete. With it there are two orders. Either the
application was first, then the copy sees the row as it is afterwards, or not at all, and a copy made by the
trigger is left as it is (ON CONFLICT DO NOTHING). Or the copy was first, then the application waits for it,
and its trigger finds the copy, which is committed, and changes or deletes it.
"""

from dataclasses import dataclass

from psycopg import sql

from migsafe.effects.model import Lock, LockMode
from migsafe.plan.model import BackfillStep, CopyRows
from migsafe.run.pages import Leaf, called_as
from migsafe.sql.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one relation, which goes by the name of `table` in the expressions of the plan."""

    leaf: Leaf
    table: Name
    where: sql.Composable


def count_pending(step: BackfillStep, rows: Rows) -> sql.Composed:
    """How many of the rows are pending; takes no locks on them."""
    return sql.SQL("SELECT count(*) FROM {table} WHERE {where} AND ({pending})").format(**_parts(step, rows))


def places(step: BackfillStep, rows: Rows, *, pending: bool) -> sql.Composed:
    """Where the rows are, or those of them that are pending; takes no locks on them."""
    condition = sql.SQL(" AND ({pending})") if pending else sql.SQL("")
    return sql.SQL("{}{}").format(
        sql.SQL("SELECT ctid::text FROM {table} WHERE {where}").format(**_parts(step, rows)),
        condition.format(**_parts(step, rows)),
    )


def change(step: BackfillStep, rows: Rows, *, skipping: bool) -> sql.Composed:
    """Do what the step says with those rows that are pending; `skipping` leaves locked ones out."""
    parts = _parts(step, rows)
    if step.copy is not None:
        return _copy(step.copy, parts, skipping=skipping)
    if step.delete:
        verb, tail, lock = sql.SQL("DELETE FROM {table}").format(**parts), "USING", "UPDATE"
    else:
        verb = sql.SQL("UPDATE {table} SET {assignments}").format(assignments=_raw(step.assignments), **parts)
        tail, lock = "FROM", "NO KEY UPDATE"
    if not skipping:
        return sql.SQL("{} WHERE {where} AND ({pending})").format(verb, **parts)
    return sql.SQL(
        "{} {} (SELECT ctid AS migsafe_place FROM {table} WHERE {where} AND ({pending}) "
        "FOR {} SKIP LOCKED) AS migsafe_free WHERE ctid = migsafe_free.migsafe_place"
    ).format(verb, _raw(tail), _raw(lock), **parts)


def _copy(copy: CopyRows, parts: dict[str, sql.Composable], *, skipping: bool) -> sql.Composed:
    # The values are copied as they are, into identity columns too.
    return sql.SQL(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {table} WHERE {where} AND ({pending}) "
        "FOR SHARE{} ON CONFLICT{} DO NOTHING"
    ).format(
        _raw(copy.into.sql),
        sql.SQL(", ").join(map(sql.Identifier, copy.columns)),
        _raw(", ".join(copy.values)),
        sql.SQL(" SKIP LOCKED" if skipping else ""),
        sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, copy.key)))
        if copy.key
        else sql.SQL(""),
        **parts,
    )


def locks(step: BackfillStep, leaf: Leaf) -> tuple[Lock, ...]:
    """The table locks that `change` takes."""
    if step.copy is None:
        return (Lock(leaf.name, LockMode.ROW_EXCLUSIVE),)
    return (Lock(leaf.name, LockMode.ROW_SHARE), Lock(step.copy.into, LockMode.ROW_EXCLUSIVE))


def participle(step: BackfillStep) -> str:
    """What becomes of the rows, for messages."""
    return "copied" if step.copy else "deleted" if step.delete else "changed"


def _parts(step: BackfillStep, rows: Rows) -> dict[str, sql.Composable]:
    return {
        "table": called_as(rows.leaf, rows.table),
        "where": rows.where,
        "pending": _raw(step.pending),
    }


def _raw(text: str) -> sql.SQL:
    """SQL of the plan itself, which a person has reviewed, or a quoted name."""
    return sql.SQL(text)  # not a literal, but not made from data either
