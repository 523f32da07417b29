"""The effects of a whole script: every statement on the schema that the ones before it leave.

Locks that a transaction takes are held until it ends, and settings last as PostgreSQL makes them last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from migsafe.catalog.history import History
from migsafe.catalog.history import advance as advance_history
from migsafe.catalog.model import Catalog
from migsafe.effects.compatibility import compatibility_of
from migsafe.effects.labels import with_new_labels
from migsafe.effects.model import Blocks, Compatibility, Effects, Lock, Phase
from migsafe.effects.phase import merge_phases, phase_of
from migsafe.effects.predict import DEFAULT_SERVER_VERSION, merge, statement_effects
from migsafe.effects.prediction import blocks_of, worse_of
from migsafe.effects.session import advance, start_session
from migsafe.sql.names import Name
from migsafe.sql.operations import Begin, Commit, CreateTable, Operation, Rollback, Savepoint
from migsafe.sql.script import ReadStatement, Script

_CONTROL = Begin | Commit | Rollback | Savepoint


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEffects:
    """One statement where it stands.

    `transaction` is the number of the transaction it runs in, None for one of its own. `held` are the locks
    that its transaction holds behind it, `held_blocks` what an application feels of them. The timeouts are
    those in effect when it starts, in milliseconds; None when there is none.
    """

    statement: ReadStatement
    effects: Effects
    compatibility: Compatibility
    phase: Phase
    transaction: int | None
    held: tuple[Lock, ...]
    held_blocks: Blocks
    lock_timeout: float | None
    statement_timeout: float | None


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
    made: frozenset[Name] = frozenset()
    for statement in script.statements:
        before = state
        if not before.in_transaction:
            made = frozenset()
        number += not before.in_transaction and any(isinstance(o, Begin) for o in statement.operations)
        effects = (
            _of_block(statement, history, version)
            if statement.is_block
            else statement_effects(statement.operations, history.catalog, version)
        )
        in_transaction = before.in_transaction or statement.is_block
        effects = _outside(_in_transaction(effects, in_transaction=in_transaction), made)
        if before.in_transaction:
            effects = with_new_labels(effects, statement, history.catalog, version)
        who = _merge_compatibility(
            [compatibility_of(operation, history.catalog) for operation in statement.operations]
        )
        phases = [phase_of(operation, history.catalog) for operation in statement.operations]
        for part in statement.parts:
            operation = part.replayed
            if not part.conditional:
                made |= _made(operation, history.catalog)
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
                lock_timeout=before.lock_timeout,
                statement_timeout=before.statement_timeout,
            )
        )
    return ScriptEffects(text=script.text, statements=tuple(found), catalog=history.catalog)


def _of_block(statement: ReadStatement, history: History, version: int) -> Effects:
    """The statements inside of a DO block, each on the schema that those before it leave."""
    made: frozenset[Name] = frozenset()
    found: list[Effects] = []
    for _, group in groupby(statement.parts, key=lambda part: (part.start, part.end)):
        parts = tuple(group)
        effects = statement_effects([part.operation for part in parts], history.catalog, version)
        found.append(_outside(effects, made))
        for part in parts:
            if not part.conditional:
                made |= _made(part.operation, history.catalog)
            history = advance_history(history, part.replayed)
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


def _outside(effects: Effects, made: frozenset[Name]) -> Effects:
    """The effects without what happens to tables that the same transaction made: nobody sees them yet."""
    if not made:
        return effects
    locks = tuple(lock for lock in effects.locks if lock.relation not in made)
    gone = len(locks) < len(effects.locks)
    return replace(
        effects,
        locks=locks,
        rewrites=tuple(name for name in effects.rewrites if name not in made),
        scans=tuple(name for name in effects.scans if name not in made),
        builds_index=effects.builds_index and not (gone and not locks),
        blocks=worse_of(Blocks.NONE, *(blocks_of(lock.mode) for lock in locks)) if gone else effects.blocks,
    )


def _made(operation: Operation, catalog: Catalog) -> frozenset[Name]:
    match operation:
        case CreateTable(table=table) if catalog.table(table) is None:
            return frozenset({catalog.resolve(table)})
        case _:
            return frozenset()


def _merge_compatibility(parts: list[Compatibility]) -> Compatibility:
    return Compatibility(
        old=all(part.old for part in parts),
        new=all(part.new for part in parts),
        reason="; ".join(dict.fromkeys(part.reason for part in parts if part.reason)),
    )
