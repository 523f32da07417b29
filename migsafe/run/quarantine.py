"""Rows that cannot be changed: picked out of a batch by halving it, left out, listed, and tried again later.

Everything happens in the transaction of the batch, each piece in a savepoint of its own. So the batch's rows,
its cursor and what was put into quarantine are committed together or not at all.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import errors, sql

from migsafe.errors import Quarantined, RunError
from migsafe.plan.model import BackfillStep
from migsafe.run import statements
from migsafe.run.connect import Conn
from migsafe.run.cursor import Cursor
from migsafe.run.events import RowQuarantined
from migsafe.run.ledger import quarantine, rollouts, steps
from migsafe.run.ledger.quarantine import QuarantinedRow, key_name
from migsafe.run.pages import Leaf, called_as
from migsafe.run.session import Session
from migsafe.sql.names import Name

_LISTED = 10
_ONE_ROW_SECONDS = 5.0

# Classes of errors that are about a row: a data exception, a violated constraint or check option, what a
# function or a trigger raises, or a value that is too big for an index.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CLASSES = frozenset({"21", "22", "23", "27", "2F", "38", "39", "44", "54", "P0"})

# The columns of the best key of a relation: its primary key, else a unique index without NULLs.
_KEY = """
    SELECT array_agg(a.attname::text ORDER BY k.n),
           array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY k.n)
    FROM (
        SELECT * FROM pg_index i
        WHERE i.indrelid = %(leaf)s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
          AND NOT EXISTS (
              SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS c (attnum, n)
              LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = c.attnum
              WHERE c.n <= i.indnkeyatts AND (c.attnum = 0 OR NOT a.attnotnull))
        ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1
    ) AS i
    CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE k.n <= i.indnkeyatts
"""


class TooSlowError(Exception):
    """The pieces of a batch took longer, together, than a batch may hold its locks."""


@dataclass(frozen=True, slots=True)
class Key:
    """The columns by which a row is known, and their types. Without any, only its place is known."""

    columns: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def as_json(self) -> sql.Composable:
        """An expression for the key of a row."""
        if not self.columns:
            return sql.SQL("jsonb_build_object('ctid', ctid::text)")
        parts = [sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier(name)) for name in self.columns]
        return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(parts))

    def equals(self, key: dict[str, object]) -> sql.Composable | None:
        """A condition that an index can answer; None when the row cannot be found by this key."""
        if set(key) != set(self.columns) or any(isinstance(value, dict | list) for value in key.values()):
            return None
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}::{}").format(sql.Identifier(name), sql.Literal(_text(key[name])), sql.SQL(kind))
            for name, kind in zip(self.columns, self.types, strict=True)
        )


@dataclass(slots=True)
class Picked:
    """What became of a batch; `failed` are the rows put aside, which the others do not count."""

    found: int = 0
    changed: int = 0
    failed: int = 0
    new: list[RowQuarantined] = field(default_factory=list)

    @property
    def quarantined(self) -> tuple[RowQuarantined, ...]:
        """The rows that were not known before."""
        return tuple(self.new)


def is_of_a_row(error: psycopg.Error) -> bool:
    """Whether it is about the values of a row, and not about the table, our rights or the server.

    A trigger may raise under a code of its own: one that PostgreSQL does not know counts too.
    """
    code = error.sqlstate
    if code is None:
        return False
    try:
        errors.lookup(code)
    except KeyError:
        return True
    return code[:2] in _CLASSES


def read_key(conn: Conn, leaf: int) -> Key:
    """The key of this relation."""
    row = conn.execute(_KEY, {"leaf": leaf}).fetchone()
    return Key(tuple(row[0]), tuple(row[1])) if row is not None and row[0] else Key((), ())


def pick(
    session: Session, step: BackfillStep, rows: statements.Rows, *, sweep: int, skipping: bool, seconds: float
) -> Picked:
    """Do the rows piece by piece; those that cannot be changed are recorded, in the current transaction.

    Raises:
        TooSlowError: It takes longer than this many seconds.
        RunError: More rows than are allowed cannot be changed.
    """
    picker = _Picker(session, step, rows.leaf, sweep=sweep, skipping=skipping, seconds=seconds)
    # What is checked at the commit would be found too late to say which row it was.
    session.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    picker.run(_places(session.conn, step, rows))
    return picker.picked


class _Picker:
    """One transaction of picking."""

    def __init__(
        self,
        session: Session,
        step: BackfillStep,
        leaf: Leaf,
        *,
        sweep: int,
        skipping: bool,
        seconds: float,
    ) -> None:
        self._session, self._step, self._leaf = session, step, leaf
        self._sweep, self._skipping = sweep, skipping
        self._ends = time.monotonic() + seconds
        self._key = read_key(session.conn, leaf.oid)
        self.picked = Picked()

    def run(self, places: Sequence[str]) -> None:
        """Try the piece, and its halves where it fails."""
        todo = [places] if places else []
        while todo:
            if time.monotonic() > self._ends:
                raise TooSlowError
            piece = todo.pop()
            try:
                with self._session.conn.transaction():  # a savepoint
                    found, changed = self._change(piece)
            except psycopg.Error as error:
                if not is_of_a_row(error):
                    raise
                if len(piece) == 1:
                    self._put(piece[0], error)
                else:
                    middle = len(piece) // 2
                    todo += [piece[middle:], piece[:middle]]
            else:
                self.picked.found += found
                self.picked.changed += changed

    def _change(self, piece: Sequence[str]) -> tuple[int, int]:
        """As `batch` does it: a sweep looks beforehand how many there are."""
        conn, rows = self._session.conn, _at(self._step, self._leaf, piece)
        pending = None
        if self._sweep:
            row = conn.execute(statements.count_pending(self._step, rows)).fetchone()
            pending = int(row[0]) if row else 0
            if not pending:
                return 0, 0
        changed = conn.execute(statements.change(self._step, rows, skipping=self._skipping)).rowcount
        return changed if pending is None else pending, changed

    def _put(self, place: str, error: psycopg.Error) -> None:
        session, step = self._session, self._step
        row = session.conn.execute(
            sql.SQL("SELECT {} FROM {} WHERE ctid = {}::tid").format(
                self._key.as_json, called_as(self._leaf, step.table), sql.Literal(place)
            )
        ).fetchone()
        if row is None:  # changed or deleted meanwhile: the next sweep looks again
            self.picked.found += 1
            return
        self.picked.failed += 1
        said = _said(error)
        is_new = quarantine.put(
            session.conn,
            session.rollout_id,
            step.id,
            relation=str(self._leaf.name),
            key=row[0],
            error=said,
            sqlstate=error.sqlstate or "",
            sweep=self._sweep,
        )
        if is_new:
            self.picked.new.append(
                RowQuarantined(step=step.id, relation=str(self._leaf.name), key=key_name(row[0]), error=said)
            )
        limit = session.settings.max_quarantined
        if quarantine.count_open(session.conn, session.rollout_id, step.id) > limit:
            raise RunError(
                f"more than {limit} rows of {step.table} cannot be {statements.participle(step)} by "
                f"'{step.title}'; one of them is {key_name(row[0])} of {self._leaf.name}: {said}",
                advice="Nothing of that batch was applied. Correct the rows, or the plan, and run it again; "
                "--max-quarantined N lets it leave out more.",
            ) from error


def close(session: Session, step: BackfillStep, cursor: Cursor) -> tuple[QuarantinedRow, ...]:
    """After a clean pass, in the current transaction: the rows that are left and that nobody has waived.

    If there are any, the step is not done: the cursor says that nothing else is left.
    """
    conn, rollout_id = session.conn, session.rollout_id
    quarantine.forget_others(conn, rollout_id, step.id, sweep=cursor.sweep)
    rows = quarantine.read_quarantine(conn, rollout_id, step.id)
    left = tuple(row for row in rows if row.waived_at is None)
    if left:
        held = Cursor(sweep=cursor.sweep, held=True)
        steps.move_cursor(conn, rollout_id, step.id, held.to_json())
        rollouts.add_audit(conn, rollout_id, "rows in quarantine", {"step": step.id, "rows": len(left)})
    return left


def refusal(session: Session, step: BackfillStep, left: Sequence[QuarantinedRow]) -> Quarantined:
    """What to raise while rows are left."""
    lines = [f"  {row.name} of {row.relation}: {row.error}" for row in left[:_LISTED]]
    more = f"\n  and {len(left) - _LISTED} more" if len(left) > _LISTED else ""
    rows = f"{len(left)} rows" if len(left) > 1 else "1 row"
    return Quarantined(
        f"everything of '{step.title}' is done but for {rows} in quarantine, which cannot be "
        f"{statements.participle(step)}:\n" + "\n".join(lines) + more,
        advice="Correct them and run it again: they are tried first. Or let them stay as they are: "
        f"`migsafe waive {session.plan.name} KEY --reason TEXT`. `migsafe status` lists all of them.",
    )


def try_again(session: Session, step: BackfillStep, *, sweep: int) -> bool:
    """Try each row in quarantine that is not waived. False when another sweep must look for some of them."""
    conn = session.conn
    for entry in quarantine.read_quarantine(conn, session.rollout_id, step.id):
        if entry.waived_at is not None:
            continue
        try:
            with session.transaction(seconds=_ONE_ROW_SECONDS):
                if not _try_row(session, step, entry, sweep=sweep):
                    return False
        except (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled):
            session.gave_way()
            return False
    return True


def _try_row(session: Session, step: BackfillStep, entry: QuarantinedRow, *, sweep: int) -> bool:
    conn = session.conn
    leaf = _find_leaf(conn, entry.relation)
    where = read_key(conn, leaf.oid).equals(entry.key) if leaf else None
    if leaf is None or where is None:
        return False
    rows = statements.Rows(leaf=leaf, table=step.table, where=where)
    found = conn.execute(statements.places(step, rows, pending=False)).fetchall()
    if not found:
        return False  # deleted, or moved to another partition
    picker = _Picker(session, step, leaf, sweep=sweep, skipping=False, seconds=_ONE_ROW_SECONDS)
    conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    picker.run([str(row[0]) for row in found])
    if picker.picked.failed:
        return True
    if picker.picked.found != picker.picked.changed:
        return False  # a trigger refused it without a word
    quarantine.remove(conn, entry.id)
    held = Cursor(sweep=sweep, held=True)
    steps.move_cursor(conn, session.rollout_id, step.id, held.to_json(), rows=picker.picked.changed)
    return True


def _find_leaf(conn: Conn, relation: str) -> Leaf | None:
    row = conn.execute(
        "SELECT c.oid::int8, n.nspname, c.relname "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname || '.' || c.relname = %s AND c.relkind = 'r'",
        (relation,),
    ).fetchone()
    return None if row is None else Leaf(oid=int(row[0]), name=Name(row[2], row[1]), pages=0)


def _places(conn: Conn, step: BackfillStep, rows: statements.Rows) -> list[str]:
    """Where the pending rows are; where all of them are, if it is the condition that fails."""
    try:
        with conn.transaction():
            return [str(row[0]) for row in conn.execute(statements.places(step, rows, pending=True))]
    except psycopg.Error as error:
        if not is_of_a_row(error):
            raise
    return [str(row[0]) for row in conn.execute(statements.places(step, rows, pending=False))]


def _at(step: BackfillStep, leaf: Leaf, places: Sequence[str]) -> statements.Rows:
    where = sql.SQL("ctid = ANY ({}::tid[])").format(
        sql.Literal("{" + ",".join(f'"{p}"' for p in places) + "}")
    )
    return statements.Rows(leaf=leaf, table=step.table, where=where)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _said(error: psycopg.Error) -> str:
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    return f"{error.diag.message_primary or error}{detail}"
