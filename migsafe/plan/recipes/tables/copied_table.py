"""A table is created anew, filled from the old one and given its name: how tables get partitioned.

PostgreSQL cannot partition a table that is there, so people write this script. It locks nothing while it
copies, loses what is written meanwhile, and blocks or breaks the application at the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from migsafe.catalog.keys import cloned_names
from migsafe.catalog.model import Constraint, Index, Table
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import Conversion
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change
from migsafe.plan.recipes.constraints.add_constraint import body_of
from migsafe.plan.recipes.tables.copy_script import Script, read_copy_script
from migsafe.plan.recipes.tables.drop_table import drop_steps
from migsafe.plan.replace.column import primary_key
from migsafe.plan.replace.followers import Followers, views_of
from migsafe.plan.replace.replacement import Helpers
from migsafe.plan.replace.table import Counter, TableReplacement, build_steps, end_mirror
from migsafe.plan.replace.ties import Tie, foreign_keys_to, refuse_tie
from migsafe.plan.sync.mirror import fires_before
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import (
    AddConstraint,
    ConstraintDefinition,
    ConstraintKind,
    CreateTable,
    Generated,
    Operation,
)

_KEYS = (ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE)


def copied_table(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """The same table with the same rows in another form, such as partitioned, with nothing written lost.

    Raises:
        PlanError: The script is this one, but something on the old table could not follow.
    """
    script = read_copy_script(wanted, scene.catalog)
    return (copied(script, scene), script.length) if script else None


def copied(
    script: Script,
    scene: Scene,
    *,
    triggers_follow: bool = False,
    conversions: Mapping[str, Conversion] | None = None,
    helpers: Helpers | None = None,
) -> Draft:
    """The rollout of such a script; `triggers_follow` gives the new table the triggers of the old one.

    `conversions` are those of the columns that get another type, with the functions that they call.

    Raises:
        PlanError: Something on the old table could not follow.
    """
    old, new = script.old, script.new
    _refuse_unsupported(script)
    tag = make_tag(str(old.name), str(new.name))
    grave = script.kept or Name(bounded("migsafe_tomb", old.name.name, tag), old.name.schema)
    renames = tuple(each.sql for each in script.after)
    refuses = any(each.up_fits is not None for each in (conversions or {}).values())
    change = TableReplacement(
        rollout=scene.rollout,
        tag=tag,
        old=old,
        new=new,
        followers=Followers(table=old, views=views_of(old, scene.catalog)),
        foreign_keys=tuple(_ties_to(script, scene)),
        grave=grave,
        columns=_columns(script),
        old_key=primary_key(old),
        new_key=_new_key(old, new),
        build=tuple(each.sql for each in script.build if not _ties(each.operation)),
        ties=tuple(each.sql for each in script.build if _ties(each.operation)),
        counters=tuple(_counters(old, new)),
        at_swap=tuple(_at_swap(old, grave, follow=triggers_follow)),
        at_swap_undo=tuple(_at_swap_undo(old, grave, follow=triggers_follow)),
        lenient=refuses or not (_has_room(script) and _takes_every_row(new, old, _new_key(old, new))),
        lenient_back=not (_takes_every_row(old, new, primary_key(old)) and not conversions),
        conversions=conversions or {},
        helpers=helpers or Helpers(),
    )
    if change.lenient and change.foreign_keys:
        raise PlanError(
            f"{new.name} may refuse rows that {old.name} takes, and foreign keys refer to {old.name}: rows "
            "that refer to such a row could not be written",
            advice="Give it a partition for every row (DEFAULT), and no constraint that the table does not "
            "have yet: add that afterwards. Or drop the foreign keys in the script.",
        )
    ending = end_mirror(change)
    if script.kept is None:
        last = drop_steps(old, grave, scene)
        *before, dropping = last
        tail = (*before, replace(dropping, sql=(*_given_up(change), *dropping.sql, *renames)))
    else:
        awake = (f"ALTER TABLE {grave.sql} ENABLE TRIGGER {name}" for name in _awake(old))
        ending = replace(ending, sql=(*ending.sql, *awake, *renames))
        tail = ()
    how = f", partitioned by {new.partition_key}" if new.partition_key else ""
    return Draft(
        change=Change(
            kind="copied_table",
            summary=f"Make {old.name} anew{how}, while it is in use",
            subject=old.name,
        ),
        steps=(*build_steps(change), ending, *tail),
        warnings=tuple(_warnings(script, change, triggers_follow=triggers_follow)),
        busy=(old.name, new.name, grave),
    )


def _ties_to(script: Script, scene: Scene) -> Iterator[Tie]:
    """The foreign keys to the table, as the script wants them; what it does not name follows as it is."""
    old, new = script.old, script.new
    added = {(scene.catalog.resolve(each.table), each.constraint.columns): each for each in script.tied}
    for tie in foreign_keys_to(old, scene.catalog):
        wanted = tie
        if (tie.table, tie.old.name) in script.untied:
            said = added.pop((tie.table, tie.old.columns), None)
            wanted = _as_said(tie, said.constraint, new) if said else replace(tie, new=None)
        refuse_tie(wanted, new, scene.server_version)
        yield wanted
    for table, _ in added:
        raise PlanError(
            f"{table} gets a foreign key to {old.name} that it did not have",
            advice="Add it by a migration of its own, after this one.",
        )


def _as_said(tie: Tie, said: ConstraintDefinition, new: Table) -> Tie:
    name = said.name or f"{tie.table.name}_{'_'.join(tie.old.columns)}_fkey"
    return replace(
        tie,
        new=(name, body_of(said)),
        refers=said.referenced_columns or primary_key(new),
        validated=not said.not_valid,
    )


def _ties(operation: Operation) -> bool:
    return isinstance(operation, AddConstraint) and operation.constraint.references is not None


def _columns(script: Script) -> tuple[str, ...]:
    old, new, copied = script.old, script.new, script.copied
    into = copied.columns or tuple(column.name for column in new.columns)
    values = copied.values or tuple(column.name for column in old.columns)
    if into != values[: len(into)] or len(into) != len(values):
        raise PlanError(
            f"{new.name} does not get the columns of {old.name} by their own names, in the same order",
            advice=f"Create it LIKE {old.name}, and copy all columns as they are.",
        )
    computed = {Generated.STORED, Generated.VIRTUAL}
    return tuple(name for name in into if (column := new.column(name)) and column.generated not in computed)


def _new_key(old: Table, new: Table) -> tuple[str, ...]:
    """A unique key of the new table that tells all rows of the old one apart."""
    known = set(primary_key(old))
    for constraint in sorted(new.constraints, key=lambda each: each.kind is not ConstraintKind.PRIMARY_KEY):
        columns = [new.column(name) for name in constraint.columns]
        if (
            constraint.kind in _KEYS
            and not _is_deferrable(constraint)
            and known <= {*constraint.columns}
            and all(c and c.not_null for c in columns)
        ):
            return constraint.columns
    wanted = ", ".join((*primary_key(old), "the columns of the partition key"))
    raise PlanError(
        f"{new.name} has no primary key or unique constraint that contains the primary key of {old.name}: "
        "its rows could not be found there",
        advice=f"Give it one: PRIMARY KEY ({wanted}).",
    )


def _is_deferrable(constraint: Constraint) -> bool:
    """Then ON CONFLICT cannot use it."""
    return " DEFERRABLE" in constraint.definition.upper().replace("NOT DEFERRABLE", "")


def _counters(old: Table, new: Table) -> Iterator[Counter]:
    for column in new.columns:
        source = old.column(column.name)
        if source and source.sequences and column.sequences and source.sequences != column.sequences:
            yield Counter(old=source.sequences[0], new=column.sequences[0])


def _has_room(script: Script) -> bool:
    """Whether there is a partition for every row."""
    new = script.new
    has_default = any(
        isinstance(each.operation, CreateTable) and each.operation.default_partition for each in script.build
    )
    hashed = (new.partition_key or "").lower().lstrip().startswith("hash")
    return not new.partitioned or has_default or hashed


def _takes_every_row(target: Table, source: Table, key: tuple[str, ...]) -> bool:
    """Whether no constraint of the target can refuse a row that the source takes, its key left out."""
    definitions = {each.definition for each in source.constraints}
    known = {(each.kind, each.columns) for each in source.constraints if each.columns}
    for constraint in target.constraints:
        is_key = constraint.kind in _KEYS and constraint.columns == key
        if constraint.definition in definitions or is_key or constraint.kind is ConstraintKind.PRIMARY_KEY:
            continue
        if constraint.kind is ConstraintKind.CHECK or (constraint.kind, constraint.columns) not in known:
            return False
    own = {column.name for column in source.columns if column.not_null}
    return all(column.name in own for column in target.columns if column.not_null)


def _given_up(change: TableReplacement) -> Iterator[str]:
    """A serial column's sequence must not go with the old table."""
    for column in change.new.columns:
        before = change.old.column(column.name)
        for sequence in before.sequences if before and not column.sequences and before.is_serial else ():
            if column.default is not None:
                owner = f"{change.old.name.sql}.{quote_identifier(column.name)}"
                yield f"ALTER SEQUENCE {sequence.sql} OWNED BY {owner}"


def _awake(old: Table) -> tuple[str, ...]:
    """The triggers that fire, quoted."""
    return tuple(quote_identifier(each.name) for each in old.triggers if each.enabled)


def _at_swap(old: Table, grave: Name, *, follow: bool) -> Iterator[str]:
    """What is carried back to the old table is no write of the application: its triggers stay quiet."""
    for name in _awake(old):
        yield f"ALTER TABLE {grave.sql} DISABLE TRIGGER {name}"
    for trigger in old.triggers if follow else ():
        yield trigger.definition
        if not trigger.enabled:
            yield f"ALTER TABLE {old.name.sql} DISABLE TRIGGER {quote_identifier(trigger.name)}"


def _at_swap_undo(old: Table, grave: Name, *, follow: bool) -> Iterator[str]:
    for trigger in old.triggers if follow else ():
        yield f"DROP TRIGGER {quote_identifier(trigger.name)} ON {old.name.sql}"
    for name in _awake(old):
        yield f"ALTER TABLE {grave.sql} ENABLE TRIGGER {name}"


def _refuse_unsupported(script: Script) -> None:
    old = script.old
    before = [each.name for each in old.triggers if each.row and fires_before(each.name)]
    hindrances = (
        (
            before,
            "is a trigger that fires before the one that carries writes over",
            "Give it a name that begins with a letter.",
        ),
        (old.rules, "is a rule of it", "Drop it first."),
        (old.parents, "is its parent", "Detach it first."),
        (
            ["row security"] if old.row_security else [],
            "is on, and the new table has no policies",
            "Plan it by hand: the policies must be there before the names change.",
        ),
        (
            [] if old.columns_complete else ["its list of columns"],
            "is not known",
            "Give the live database with --database.",
        ),
    )
    for found, what, advice in hindrances:
        if found:
            raise PlanError(f"{old.name}: {', '.join(map(str, found))} {what}", advice=advice)
    if not primary_key(old):
        raise PlanError(
            f"{old.name} has no primary key, so its rows cannot be told apart while they are copied",
            advice="Give it one first.",
        )
    if any(_is_deferrable(each) for each in old.constraints if each.kind is ConstraintKind.PRIMARY_KEY):
        raise PlanError(f"the primary key of {old.name} is DEFERRABLE: ON CONFLICT cannot use it")


def _warnings(script: Script, change: TableReplacement, *, triggers_follow: bool) -> Iterator[str]:
    old, new = script.old, script.new
    lost = [*_lost(old, new), *(f"trigger {each.name}" for each in old.triggers if not triggers_follow)]
    if lost:
        yield (
            f"The script gives {new.name} no equal of these, which {old.name} has: {', '.join(lost)}. They "
            "end with the change of names."
        )
    if set(change.new_key) != set(change.old_key):
        yield (
            f"{', '.join(change.old_key)} alone is not unique in {new.name} any more: only a sequence, or "
            f"the application, keeps it so, and ON CONFLICT ({', '.join(change.old_key)}) fails from the "
            "change of names on."
        )
    if change.lenient:
        yield (
            f"{new.name} may refuse rows that {old.name} takes (there is no partition for them, or a "
            "constraint is new). Until the change of names they are noted and left out, and the proof then "
            "fails; from it on the application's statement fails."
        )
    if [c.name for c in old.columns] != [c.name for c in new.columns] or [c.type for c in old.columns] != [
        c.type for c in new.columns
    ]:
        yield (
            f"{new.name} has other columns, or in another order: clients that prepare SELECT * get 'cached "
            "plan must not change result type' at the change of names."
        )
    followed = [f"{tie.old.name} of {tie.table}" for tie in change.foreign_keys if tie.new is not None]
    if followed:
        yield (
            f"Foreign keys to {old.name} are made again onto the new table before the names change: "
            f"{', '.join(followed)}. For that time a row that breaks one of them may be refused at COMMIT, "
            "not by its statement. Going back makes and proves them again: that takes as long as their "
            "tables are big."
        )
    if old.publications and not new.publications:
        yield f"{old.name} is published by {', '.join(old.publications)}: add {new.name} there, or it is not."
    yield (
        f"Every write of {old.name} is done twice until the rollout ends, and the disk must hold the table "
        "twice."
    )


def _lost(old: Table, new: Table) -> Iterator[str]:
    known = {(each.kind, each.columns, each.references) for each in new.constraints}
    for constraint in old.constraints:
        if constraint.kind is ConstraintKind.FOREIGN_KEY and not _has(constraint, known):
            yield f"foreign key {constraint.name}"
    keys = {_keys_of(index) for index in new.indexes}
    for index in old.indexes:
        behind = next((c for c in old.constraints if c.index == index.name), None)
        primary = behind is not None and behind.kind is ConstraintKind.PRIMARY_KEY
        if _keys_of(index) not in keys and not primary:
            yield f"index {index.name}"


def _keys_of(index: Index) -> tuple[tuple[str, ...], bool]:
    return cloned_names(index)[: len(index.keys)], index.where is None


def _has(constraint: Constraint, known: set[tuple[ConstraintKind, tuple[str, ...], Name | None]]) -> bool:
    return (constraint.kind, constraint.columns, constraint.references) in known
