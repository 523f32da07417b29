"""The effects of a whole script: every statement on the schema that the ones before it leave.

Locks that a transaction takes are held until it ends, and settings last as PostgreSQL makes them last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

from migsafe.catalog.history import History
from migsafe.catalog.history import advance as advance_history
from migsafe.catalog.model import Catalog
from migsafe.catalog.passes import in_passes
from migsafe.catalog.session import new_session
from migsafe.effects.compatibility import compatibility_of
from migsafe.effects.labels import with_new_labels
from migsafe.effects.model import Blocks, Compatibility, Effects, Lock, Phase
from migsafe.effects.phase import merge_phases, phase_of
from migsafe.effects.predict import DEFAULT_SERVER_VERSION, merge, statement_effects
from migsafe.effects.prediction import blocks_of, effects_without, worse_of
from migsafe.effects.session import advance, start_session, with_moved
from migsafe.sql.changes import MoveObject, RenameObject
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    Begin,
    Commit,
    Operation,
    OtherStatement,
    RenameTable,
    Rollback,
    Savepoint,
    SetSchema,
    Truncate,
)
from migsafe.sql.script import ReadStatement, Script

_CONTROL = Begin | Commit | Rollback | Savepoint
_RELATIONS = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEffects:
    """One statement where it stands.

    `transaction` is the number of the transaction it runs in, None for one of its own. `held` are the locks
    that its transaction holds behind it, `held_blocks` what an application feels of them, and
    `held_certain` whether no uncertain statement was among those that took them. The timeouts are
    those in effect when it starts, in milliseconds; None when there is none. `moved` are the relations that
    get another name in it, and that name.
    """

    statement: ReadStatement
    effects: Effects
    compatibility: Compatibility
    phase: Phase
    transaction: int | None
    held: tuple[Lock, ...]
    held_blocks: Blocks
    held_certain: bool
    lock_timeout: float | None
    statement_timeout: float | None
    moved: Mapping[Name, Name] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptEffects:
    """A script's text, its statements in order, and the schema it leaves."""

    text: str
    statements: tuple[StatementEffects, ...]
    catalog: Catalog


def script_effects(
    script: Script,
    catalog: Catalog,
    *,
    server_version: int | None = None,
    settings: Mapping[str, str] | None = None,
    wrapped: bool = False,
    source: str | None = None,
) -> ScriptEffects:
    """What every statement of a script does. `source` is its name, `wrapped`: a tool begins a transaction.

    `settings` are in effect when the session starts; `server_version` is server_version_num.
    """
    version = server_version or catalog.server_version or DEFAULT_SERVER_VERSION
    if catalog.server_version is None:
        catalog = replace(catalog, server_version=server_version)
    history = History(catalog=catalog)
    state = start_session(settings)
    number = 0
    found: list[StatementEffects] = []
    if wrapped:
        history, state, number = advance_history(history, Begin()), advance(state, Begin()), 1
    held_certain = True
    anew: frozenset[Name] = frozenset()
    for statement in script.statements:
        before = state
        held_certain = held_certain or not before.in_transaction
        number += not before.in_transaction and any(isinstance(o, Begin) for o in statement.operations)
        effects = (
            _of_block(statement, history, version)
            if statement.is_block
            else statement_effects(statement.operations, history.catalog, version)
        )
        in_transaction = before.in_transaction or statement.is_block
        effects = _seen_by_others(_in_transaction(effects, in_transaction=in_transaction), history)
        if before.in_transaction:
            effects = with_new_labels(effects, statement, history.catalog, version)
        effects, anew = _in_place(
            effects, statement.operations, anew if before.in_transaction else frozenset()
        )
        held_certain = held_certain and effects.certain
        who = _merge_compatibility(
            [compatibility_of(operation, history.catalog) for operation in statement.operations]
        )
        phases = [phase_of(operation, history.catalog) for operation in statement.operations]
        moved: dict[Name, Name] = {}
        operations = statement.replayed if statement.is_block else in_passes(statement.replayed)
        for operation in operations:
            moved |= _moved(operation, history.catalog)
            if not (effects.fails and effects.certain):  # what is refused changes nothing
                history = advance_history(history, operation, script=source)
            state = advance(state, operation, locks=effects.locks)
        found.append(
            StatementEffects(
                statement=statement,
                effects=effects,
                compatibility=who,
                phase=merge_phases(phases),
                transaction=number if before.in_transaction or state.in_transaction else None,
                held=state.held,
                held_blocks=worse_of(*(blocks_of(lock.mode) for lock in state.held)),
                held_certain=held_certain,
                lock_timeout=before.lock_timeout,
                statement_timeout=before.statement_timeout,
                moved=moved,
            )
        )
        state = with_moved(state, moved)
    return ScriptEffects(text=script.text, statements=tuple(found), catalog=new_session(history.catalog))


def _of_block(statement: ReadStatement, history: History, version: int) -> Effects:
    """The statements inside of a DO block, each on the schema that those before it leave."""
    if not history.in_transaction:
        history = advance_history(history, Begin())
    found: list[Effects] = []
    for _, group in groupby(statement.parts, key=lambda part: (part.start, part.end)):
        parts = tuple(group)
        effects = statement_effects([part.operation for part in parts], history.catalog, version)
        found.append(_seen_by_others(effects, history))
        for operation in in_passes(part.replayed for part in parts):
            history = advance_history(history, operation)
    return _decided_later(merge(found), statement)


def _decided_later(effects: Effects, statement: ReadStatement) -> Effects:
    if not statement.conditional:
        return effects
    depends_on = (*effects.depends_on, "which of its statements the block runs")
    return replace(effects, certain=False, depends_on=depends_on)


def _in_transaction(effects: Effects, *, in_transaction: bool) -> Effects:
    if effects.needs_no_transaction and in_transaction and not effects.fails:
        return replace(effects, fails="it cannot run inside a transaction block")
    return effects


def _seen_by_others(effects: Effects, history: History) -> Effects:
    """The effects without what happens to relations that the same transaction made: nobody sees them yet."""
    catalog = history.catalog
    if not history.in_transaction:
        return effects
    touched = {lock.relation for lock in effects.locks} | {*effects.rewrites, *effects.scans}
    found = {name: catalog.tables.get(name) or catalog.views.get(name) for name in touched}
    made = {
        name
        for name, relation in found.items()
        if relation is not None and catalog.created_now(relation) and not relation.assumed
    }
    return effects_without(effects, made)


def _in_place(
    effects: Effects, operations: tuple[Operation, ...], anew: frozenset[Name]
) -> tuple[Effects, frozenset[Name]]:
    """TRUNCATE of what the same transaction wrote anew already empties it where it is.

    `anew` are those tables; a savepoint hides what came before it.
    """
    if any(isinstance(operation, _CONTROL) for operation in operations):
        return effects, frozenset()
    if any(isinstance(operation, Truncate) for operation in operations):
        effects = replace(effects, rewrites=tuple(n for n in effects.rewrites if n not in anew))
    return effects, anew | {*effects.rewrites}


def _moved(operation: Operation, catalog: Catalog) -> dict[Name, Name]:
    """The name that a relation has, and the one it gets."""
    match operation:
        case RenameTable(table=table, new_name=name):
            return {(old := catalog.resolve(table)): Name(name, old.schema)}
        case SetSchema(table=table, new_schema=schema):
            return {(old := catalog.resolve(table)): Name(old.name, schema)}
        case OtherStatement(changes=(RenameObject(part=None) as change, *_)) if change.kind in _RELATIONS:
            return {(old := catalog.resolve(change.name)): Name(change.new_name, old.schema)}
        case OtherStatement(changes=(MoveObject() as change, *_)) if change.kind in _RELATIONS:
            return {(old := catalog.resolve(change.name)): Name(old.name, change.new_schema)}
        case _:
            return {}


def _merge_compatibility(parts: list[Compatibility]) -> Compatibility:
    return Compatibility(
        old=all(part.old for part in parts),
        new=all(part.new for part in parts),
        reason="; ".join(dict.fromkeys(part.reason for part in parts if part.reason)),
    )
