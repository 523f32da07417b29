"""DROP CONSTRAINT of a primary key with ADD PRIMARY KEY behind it: one key makes way for another.

The new key's index is there before the new version of the application; an index on the old key stays until
nobody needs it any more. So ON CONFLICT works with either key all the time, and what one version demands the
other one keeps. The keys change places in one instant once the old version is gone.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migsafe.catalog.model import Constraint, Index, Table
from migsafe.catalog.replay import apply
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import not_null_steps, strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, ConcurrentStep, DdlStep, Step, VerifyStep
from migsafe.plan.recipes.indexes.create_index import concurrent_index
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import Name, quote_identifier, quote_literal
from migsafe.sql.operations import AddConstraint, ConstraintKind, DropConstraint

_BOTH_KEYS = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)
_TIMING = {"NOT", "DEFERRABLE", "INITIALLY", "DEFERRED", "IMMEDIATE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """The two keys; `fresh` and `spare` are indexes on the new and on the old one, to be made a key of.

    `kept` is an index on the new one that stands in while its own goes away.
    """

    table: Table
    old: Constraint
    new: Constraint
    fresh: Name
    spare: Name
    kept: Name
    own_fresh: bool  # else the migration's own index
    spare_tail: str
    timing: str

    def statement(self, drop: tuple[str, ...], name: str, index: Name, timing: str = "") -> str:
        """One ALTER TABLE that takes one key away and makes another one of an index."""
        gone = ", ".join(f"DROP CONSTRAINT {each}" for each in drop)
        quoted = quote_identifier(name)
        return (
            f"ALTER TABLE {self.table.name.sql} {gone}, ADD CONSTRAINT {quoted} PRIMARY KEY "
            f"USING INDEX {quote_identifier(index.name)}{timing}"
        )


def change_primary_key(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """Another primary key, of columns that are there.

    Raises:
        PlanError: Foreign keys or logical replication need the old key, or the new one cannot be told.
    """
    if len(wanted) < 2:
        return None
    away, there = wanted[0].operation, wanted[1].operation
    if not isinstance(away, DropConstraint) or not isinstance(there, AddConstraint):
        return None
    table = scene.catalog.table(away.table)
    old = table.constraint(away.constraint) if table else None
    is_key = old is not None and old.kind is ConstraintKind.PRIMARY_KEY
    same = scene.catalog.resolve(away.table) == scene.catalog.resolve(there.table)
    if table is None or old is None or not is_key or not same:
        return None
    if there.constraint.kind is not ConstraintKind.PRIMARY_KEY or scene.catalog.created_now(table):
        return None
    _refuse_needed(table, old, scene)
    keys = _keys(table, old, away, there, scene)
    names = ", ".join(keys.new.columns)
    draft = Draft(
        change=Change(
            kind="change_primary_key",
            summary=f"Make ({names}) the primary key of {table.name}",
            subject=table.name,
            application_change=True,
        ),
        compatibility=_BOTH_KEYS,
        steps=tuple(_steps(keys)),
        warnings=tuple(_warnings(keys)),
        busy=(table.name,),
    )
    return draft, 2


def _refuse_needed(table: Table, old: Constraint, scene: Scene) -> None:
    if table.partitioned or table.partition_of:
        raise PlanError(
            f"{table.name} is partitioned, or a partition: its key is one of all partitions",
            advice="Make a new table with the other key, and move the rows there.",
        )
    for name in table.referenced_by:
        referrer = scene.catalog.table(name)
        for constraint in referrer.constraints if referrer else ():
            needs = constraint.referenced_index in {None, old.index}
            if constraint.references == table.name and needs and constraint.referenced_columns == old.columns:
                raise PlanError(
                    f"the foreign key {constraint.name} of {name} refers to the primary key {old.name}",
                    advice=f"Give {', '.join(old.columns)} a UNIQUE constraint, and add the foreign key "
                    "anew: it takes the new one. Each has a plan of its own. Then change the primary key.",
                )
    if table.replica_identity == "i":
        raise PlanError(
            f"{table.name} has an index as its replica identity, which may be that of the key",
            advice="Set REPLICA IDENTITY FULL for as long as the rollout lasts.",
        )


def _keys(table: Table, old: Constraint, away: DropConstraint, there: AddConstraint, scene: Scene) -> _Keys:
    after = apply(apply(scene.catalog, away), there).table(table.name)
    found = [each for each in after.constraints if each.kind is ConstraintKind.PRIMARY_KEY] if after else []
    behind = next((index for index in table.indexes if index.name == old.index), None)
    written = there.constraint
    own = next((index for index in table.indexes if index.name == written.using_index), None)
    if written.using_index and (own is None or not own.unique or not own.valid or "" in own.keys):
        raise PlanError(f"{table.name} has no valid unique index {written.using_index} on columns")
    if len(found) != 1:
        raise PlanError(f"the new primary key of {table.name} cannot be told", advice="Give it a name.")
    if behind is None or " USING " not in behind.definition:
        raise parts.inexact(f"the primary key of {table.name}")
    tag = make_tag(str(table.name), old.name, *found[0].columns)
    schema = table.name.schema
    return _Keys(
        table=table,
        old=old,
        new=found[0],
        fresh=Name(own.name if own else bounded("migsafe_new", found[0].name, tag), schema),
        spare=Name(bounded("migsafe_old", old.name, tag), schema),
        kept=Name(bounded("migsafe_kept", found[0].name, tag), schema),
        own_fresh=own is None,
        spare_tail=_tail(behind),
        timing=_timing(written.text, table),
    )


def _tail(index: Index) -> str:
    return f"USING {index.definition.partition(' USING ')[2]}"


def _timing(text: str, table: Table) -> str:
    """DEFERRABLE and INITIALLY; nothing else may stand behind the columns."""
    upper = text.upper()
    at = upper.find("USING INDEX")
    words = upper[at:].split()[3:] if at >= 0 else text.partition(")")[2].upper().split()
    if set(words) - _TIMING:
        raise PlanError(
            f"there is no recipe for a primary key of {table.name} with {' '.join(words)}",
            advice="Build its unique index CONCURRENTLY by hand, and say PRIMARY KEY USING INDEX.",
        )
    return f" {' '.join(words)}" if words else ""


def _steps(keys: _Keys) -> Iterator[Step]:
    table, name = keys.table, keys.table.name
    for column_name in keys.new.columns:
        column = table.column(column_name)
        if column is not None and not column.not_null:
            quoted = quote_identifier(column_name)
            yield VerifyStep(
                id=f"verify.not_null.{column_name}.rows",
                stage=Stage.VERIFIED,
                title=f"Prove that no row holds NULL in {column_name}",
                table=name,
                key=keys.old.columns,
                mismatch=f"{quoted} IS NULL",
                passes=1,
            )
            tag = make_tag(str(name), column_name, keys.new.name)
            yield from not_null_steps(name, column_name, bounded("migsafe_not_null", column_name, tag))
    columns = ", ".join(quote_identifier(column) for column in keys.new.columns)
    if keys.own_fresh:
        yield concurrent_index(name, keys.fresh.name, "CREATE UNIQUE INDEX", f"({columns})")
    yield concurrent_index(name, keys.spare.name, "CREATE UNIQUE INDEX", keys.spare_tail)
    yield DdlStep(
        id=f"contract.primary_key.{name.name}",
        stage=Stage.TOMBSTONED,
        title=f"Make ({', '.join(keys.new.columns)}) the primary key: both indexes are there",
        sql=(keys.statement((quote_identifier(keys.old.name),), keys.new.name, keys.fresh, keys.timing),),
        undo=tuple(_undo(keys, columns)),
        undo_apart=True,
        locks=strong(name),
    )
    yield ConcurrentStep(
        id=f"contract.drop_index.{keys.spare.name}",
        stage=Stage.DROPPED,
        title=f"Drop the index on the old key {keys.old.name}: the point of no return",
        table=name,
        sql=f"DROP INDEX CONCURRENTLY IF EXISTS {keys.spare.sql}",
        done=parts.is_gone(keys.spare),
    )


def _undo(keys: _Keys, columns: str) -> Iterator[str]:
    """The old key from its spare index, in one instant; then a spare one anew, for the next attempt.

    The index of the new key goes with its constraint, and the new version may name its columns in
    ON CONFLICT: so another one is there before.
    """
    gone = dict.fromkeys(quote_identifier(each) for each in (keys.new.name, keys.old.name))
    back = keys.statement(tuple(f"IF EXISTS {each}" for each in gone), keys.old.name, keys.spare)
    _, deferrable, rest = keys.old.definition.partition(" DEFERRABLE")
    kept, fresh, table = keys.kept, quote_identifier(keys.fresh.name), keys.table.name.sql
    yield (
        f"DO $migsafe$ BEGIN IF EXISTS ({_index(kept)} AND NOT indisvalid) THEN DROP INDEX {kept.sql}; "
        "END IF; END $migsafe$"
    )
    yield (
        f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {quote_identifier(kept.name)} ON {table} ({columns})"
    )
    yield (
        f"DO $migsafe$ BEGIN IF EXISTS ({_index(keys.spare)} AND indisvalid) THEN {back}{deferrable}{rest}; "
        f"IF to_regclass({quote_literal(keys.fresh.sql)}) IS NULL THEN "
        f"ALTER INDEX {kept.sql} RENAME TO {fresh}; END IF; END IF; END $migsafe$"
    )
    yield f"DROP INDEX CONCURRENTLY IF EXISTS {kept.sql}"
    yield f"DROP INDEX CONCURRENTLY IF EXISTS {keys.spare.sql}"
    spare = quote_identifier(keys.spare.name)
    yield f"CREATE UNIQUE INDEX CONCURRENTLY {spare} ON {table} {keys.spare_tail}"


def _index(name: Name) -> str:
    return f"SELECT FROM pg_catalog.pg_index WHERE indexrelid = to_regclass({quote_literal(name.sql)})"


def _warnings(keys: _Keys) -> Iterator[str]:
    old, new, name = ", ".join(keys.old.columns), ", ".join(keys.new.columns), keys.table.name
    yield (
        f"Both keys hold until the rollout ends: no two rows of {name} may share ({old}) or ({new}), "
        "whichever version writes them. The new version must do with that until then."
    )
    yield (
        f"Until 'tombstoned' ({old}) is the primary key: GROUP BY ({new}) alone and ON CONFLICT ON "
        f"CONSTRAINT {keys.new.name} work for the new version from then on only."
    )
    if keys.table.publications and keys.table.replica_identity == "d":
        yield (
            f"{name} is published by {', '.join(keys.table.publications)}, and its primary key tells "
            f"subscribers which row is meant: they need a unique index on ({new}) before 'tombstoned'."
        )
