"""Turns one operation in its context into the flat facts that rules match on."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from migsafe.catalog.find import table_of_index
from migsafe.catalog.model import Catalog, qualified
from migsafe.effects.model import Blocks, Compatibility, Effects, Lock, LockMode
from migsafe.lint.describe import describe
from migsafe.lint.facts import Facts
from migsafe.sql import operations as ops
from migsafe.sql.names import Name
from migsafe.sql.operations import Operation

_STRONG = LockMode.SHARE  # the weakest lock that makes writers wait
NO_LOCK = "no lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known where an operation stands; `created` are the tables that this script made."""

    catalog: Catalog
    effects: Effects
    compatibility: Compatibility
    created: AbstractSet[Name] = frozenset()
    filled: AbstractSet[Name] = frozenset()
    in_transaction: bool = False
    has_lock_timeout: bool = False
    first_without_lock_timeout: bool = False
    constraint_added_in_transaction: bool = False


def observe(operation: Operation, context: Context) -> Facts:
    """The facts of one operation where it stands."""
    table = table_of(operation, context.catalog)
    known = context.catalog.table(table) if table else None
    others = locks_on_others(context)
    strong = [lock for lock in others if lock.mode >= _STRONG]
    effects = context.effects
    facts = Facts(
        op=operation.kind,
        table=str(table) if table else "the table",
        lock=max(lock.mode for lock in others).label if others else NO_LOCK,
        locked=" and ".join(_display(lock.relation) for lock in strong or others),
        strong_lock=bool(strong),
        rewrites=bool(effects.rewrites),
        scans=bool(effects.scans),
        builds_index=effects.builds_index,
        blocks=effects.blocks.value,
        needs_no_transaction=effects.needs_no_transaction,
        old_version_works=context.compatibility.old,
        new_version_works=context.compatibility.new,
        table_created_here=table is not None and is_new(table, context),
        table_known_empty=table is not None
        and is_new(table, context)
        and qualified(table) not in context.filled,
        table_temporary=known is not None and known.temporary,
        constraint_added_in_transaction=context.constraint_added_in_transaction,
        concurrently=bool(getattr(operation, "concurrently", False)),
        finalize=bool(getattr(operation, "finalize", False)),
        cascade=bool(getattr(operation, "cascade", False)),
        has_where=bool(getattr(operation, "has_where", False)),
        in_transaction=context.in_transaction,
        lock_timeout="set" if context.has_lock_timeout else "off",
        first_without_lock_timeout=context.first_without_lock_timeout,
    )
    return describe(_with_unknown_table(facts, operation, effects), operation)


def _with_unknown_table(facts: Facts, operation: Operation, effects: Effects) -> Facts:
    """The lock that an operation on an index takes on a table whose name is not known."""
    if (
        effects.locks
        or not isinstance(operation, ops.DropIndex | ops.Reindex)
        or effects.blocks is Blocks.NONE
    ):
        return facts
    mode = LockMode.ACCESS_EXCLUSIVE if isinstance(operation, ops.DropIndex) else LockMode.SHARE
    return replace(facts, lock=mode.label, locked="its table", strong_lock=True)


def is_new(table: Name, context: Context) -> bool:
    """Whether nobody else uses the table yet: this script made it, or it is temporary."""
    known = context.catalog.table(table)
    return qualified(table) in context.created or (known is not None and known.temporary)


def locks_on_others(context: Context) -> tuple[Lock, ...]:
    """The locks on tables that others use."""
    return tuple(lock for lock in context.effects.locks if not is_new(lock.relation, context))


def table_of(operation: Operation, catalog: Catalog) -> Name | None:
    """The table an operation is about; for an index the table it belongs to, if that is known."""
    match operation:
        case ops.TableOperation(table=table) | ops.CreateTable(table=table):
            return table
        case ops.DropIndex(index=index) | ops.RenameIndex(index=index):
            return _owner(index, catalog)
        case ops.Reindex(object_kind=kind, target=Name() as target):
            return _owner(target, catalog) if kind.lower() == "index" else target
        case ops.OtherStatement(target=target):
            return target
        case _:
            return None


def _owner(index: Name, catalog: Catalog) -> Name | None:
    found = table_of_index(catalog, index)
    return found[0].name if found else None


def _display(name: Name) -> str:
    return name.name if name.schema == "public" else str(name)
