"""Turns one operation in its context into the flat facts that rules match on."""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from migsafe.catalog.find import family, relation_of_index
from migsafe.catalog.model import Catalog
from migsafe.effects.model import Blocks, Compatibility, Effects, Lock, LockMode
from migsafe.lint.describe import describe
from migsafe.lint.describe_partitions import rows_are_checked
from migsafe.lint.facts import Facts, RefusalWord
from migsafe.lint.given_names import read_names
from migsafe.lint.sizes import SmallTables, read_sizes
from migsafe.lint.wording import names_in
from migsafe.sql import operations as ops
from migsafe.sql.changes import CreateView
from migsafe.sql.names import WORKING_NAMES, Name
from migsafe.sql.operations import OPAQUE_TAGS, Operation

STRONG = LockMode.SHARE  # the weakest lock that makes writers wait
NO_LOCK = "no lock"
LONG_LOCK_TIMEOUT = 10_000  # ms; whoever waits behind the request waits as long
# What the reasons of a refusal say, first match first; what has a rule of its own has a word of its own.
_REFUSALS: tuple[tuple[RefusalWord, re.Pattern[str]], ...] = (
    ("key not valid", re.compile(r"constraints cannot be NOT VALID$")),
    ("constraint index", re.compile(r"^a constraint of .* needs it$")),
    ("partitioned concurrently", re.compile(r"is partitioned: CONCURRENTLY is not possible$")),
    ("default partition", re.compile(r"has a default partition: CONCURRENTLY is not possible$")),
    ("partition key", re.compile(r"^a unique index of .* has to include its partition key$")),
    ("existence", re.compile(r"there is (a|no) | has no |already$|is no partition of|is no foreign key")),
    ("other", re.compile(r"")),
)
_SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema"})
# A query that only asks whether it could be run.
_READS_NOTHING = re.compile(r"\b(?:where\s+false|limit\s+0)\s*;?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known where an operation stands.

    `script` is what the catalog says of tables that this script made (`created_in`), `made` the names of
    other objects that it made. `held` are the locks of the transaction's earlier statements. Timeouts are
    in milliseconds, None when there is none.
    """

    catalog: Catalog
    effects: Effects
    compatibility: Compatibility
    script: str | None = None
    text: str = ""
    made: AbstractSet[str] = frozenset()
    held: tuple[Lock, ...] = ()
    small: SmallTables = field(default_factory=SmallTables)
    in_transaction: bool = False
    tool_transaction: bool = False
    lock_timeout: float | None = None
    statement_timeout: float | None = None
    first_without_lock_timeout: bool = False
    first_without_statement_timeout: bool = False
    constraint_added_in_transaction: bool = False


def observe(operation: Operation, context: Context) -> Facts:
    """The facts of one operation where it stands."""
    written = table_of(operation, context.catalog)
    table = context.catalog.resolve(written) if written else None
    effects = context.effects
    facts = Facts(
        op=operation.kind,
        table=str(written) if written else "the table",
        rewrites=bool(effects.rewrites),
        scans=bool(effects.scans),
        builds_index=effects.builds_index,
        blocks=effects.blocks.value,
        needs_no_transaction=effects.needs_no_transaction,
        old_version_works=context.compatibility.old,
        new_version_works=context.compatibility.new,
        concurrently=bool(getattr(operation, "concurrently", False)),
        finalize=bool(getattr(operation, "finalize", False)),
        cascade=bool(getattr(operation, "cascade", False)),
        has_where=bool(getattr(operation, "has_where", False)),
    )
    _table(facts, table, context)
    _locks(facts, operation, table, context)
    _transaction(facts, context)
    _refusal(facts, effects)
    describe(facts, operation, context.catalog, context.text)
    read_names(facts, operation, context.text)
    read_sizes(facts, table, context.catalog, effects)
    if isinstance(operation, ops.AttachPartition) and is_new(operation.partition, context):
        facts.partition_checked = rows_are_checked(operation, context.catalog, is_new=True)
    facts.takes_long = _takes_long(operation, table, context)
    if context.made:
        facts.object_created_here = _is_made_here(facts, context)
    if facts.object.rpartition(".")[2].startswith(WORKING_NAMES):
        facts.object_created_here = True
    if facts.object_kind == "SEQUENCE" and facts.new_name.startswith(WORKING_NAMES):
        facts.object_created_here = True  # its column has another one by then
    return facts


def _is_made_here(facts: Facts, context: Context) -> bool:
    """Whether the object was made by this script; of what GRANT and REVOKE name, one is enough.

    A cast or an operator is, too, when it is about a type that this script made.
    """
    if facts.tag in {"GRANT", "REVOKE"} or facts.object_kind in {"CAST", "OPERATOR"}:
        return bool(context.made & names_in(context.text))
    return any(name.rpartition(".")[2] in context.made for name in facts.object.split(", "))


def _table(facts: Facts, table: Name | None, context: Context) -> None:
    if table is None:
        return
    known = context.catalog.table(table)
    facts.table_created_here = is_new(table, context)
    facts.table_small = context.small.has(table, known or context.catalog.view(table))
    if known is not None:
        facts.table_temporary = known.temporary
        facts.table_partitioned = known.partitioned
        facts.has_policy = bool(known.policies)


def _locks(facts: Facts, operation: Operation, table: Name | None, context: Context) -> None:
    effects = context.effects
    others = locks_on_others(effects.locks, context)
    strong = [lock for lock in others if lock.mode >= STRONG]
    facts.lock = max(lock.mode for lock in others).label if others else NO_LOCK
    facts.locked = _and(lock.relation for lock in strong or others)
    facts.strong_lock = bool(strong)
    if not effects.locks and isinstance(operation, ops.DropIndex | ops.Reindex):
        _lock_unknown_table(facts, operation, effects)
    own = {table} if table else set()
    if table is not None and len(strong) > 1:
        own |= {relative.name for relative in family(context.catalog, table)}
    tables = [lock.relation for lock in strong if context.catalog.view(lock.relation) is None]
    also = [name for name in tables if name not in own]
    facts.also_locked, facts.locks_another_table = _and(also), bool(also)
    facts.locks_several_others = len(also) > 1
    held = [lock for lock in locks_on_others(context.held, context) if lock.mode >= STRONG]
    if held:
        facts.holds_lock = True
        facts.held = _and(f"{lock.mode.label} on {display(lock.relation)}" for lock in held)
        locked = {lock.relation for lock in held}
        facts.locks_second_table = any(lock.relation not in locked for lock in strong)


def _lock_unknown_table(facts: Facts, operation: Operation, effects: Effects) -> None:
    """The lock that an operation on an index takes on a table whose name is not known."""
    if effects.blocks is not Blocks.NONE:
        mode = LockMode.ACCESS_EXCLUSIVE if isinstance(operation, ops.DropIndex) else STRONG
        facts.lock, facts.locked, facts.strong_lock = mode.label, "its table", True


def _transaction(facts: Facts, context: Context) -> None:
    facts.in_transaction = context.in_transaction
    facts.tool_transaction = context.tool_transaction
    facts.lock_timeout = "off" if context.lock_timeout is None else "set"
    facts.lock_timeout_long = (context.lock_timeout or 0) > LONG_LOCK_TIMEOUT
    facts.statement_timeout = "off" if context.statement_timeout is None else "set"
    facts.first_without_lock_timeout = context.first_without_lock_timeout
    facts.first_without_statement_timeout = context.first_without_statement_timeout
    facts.constraint_added_in_transaction = context.constraint_added_in_transaction


def _refusal(facts: Facts, effects: Effects) -> None:
    if effects.fails and effects.certain:
        facts.refusal = effects.fails
        facts.refused_for = next(word for word, pattern in _REFUSALS if pattern.search(effects.fails))


def _takes_long(operation: Operation, table: Name | None, context: Context) -> bool:
    """Whether it may take as long as tables that others use are big, or as long as other code likes."""
    effects = context.effects
    read = (*effects.rewrites, *effects.scans, *effects.may_scan)
    if any(not is_new(name, context) for name in read):
        return True
    if effects.builds_index and (table is None or not is_new(table, context)):
        return True
    match operation:
        case ops.Update() | ops.Delete():
            return table is not None and not is_new(table, context)
        case ops.Insert(from_query=from_query):
            return from_query
        case ops.CreateTable(as_query=as_query):
            return as_query
        case ops.Query(tables=tables):
            return not _READS_NOTHING.search(context.text) and any(
                _is_somebodys(name, context) for name in tables
            )
        case ops.OtherStatement(changes=(CreateView(materialized=True, filled=filled),)):
            return filled
        case ops.OtherStatement(tag=tag):
            return tag in OPAQUE_TAGS or tag == "CREATE MATERIALIZED VIEW"
        case _:
            return False


def _is_somebodys(name: Name, context: Context) -> bool:
    if context.catalog.sequence(name) is not None:
        return False  # one row
    system = name.schema in _SYSTEM_SCHEMAS or name.name.startswith("pg_")
    return not system and not is_new(name, context)


def is_new(table: Name, context: Context) -> bool:
    """Whether nobody else uses the table or view yet: this script made it, or it is temporary."""
    known = context.catalog.table(table) or context.catalog.view(table)
    if known is None:
        return False
    return known.temporary or (context.script is not None and known.created_in == context.script)


def locks_on_others(locks: Iterable[Lock], context: Context) -> tuple[Lock, ...]:
    """The locks on tables that others use."""
    return tuple(lock for lock in locks if not is_new(lock.relation, context))


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
    found = relation_of_index(catalog, index)
    return found[0].name if found else None


def display(name: Name) -> str:
    """A name for people: the schema public goes without saying."""
    return name.name if name.schema == "public" else str(name)


def _and(names: Iterable[Name | str]) -> str:
    return " and ".join(display(name) if isinstance(name, Name) else name for name in names)
