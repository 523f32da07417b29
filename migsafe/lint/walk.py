"""Goes through one script, statement by statement, and observes every operation where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from migsafe.catalog.history import History
from migsafe.catalog.model import Catalog
from migsafe.catalog.passes import in_passes
from migsafe.catalog.session import next_transaction
from migsafe.effects.compatibility import compatibility_of
from migsafe.effects.labels import with_new_labels
from migsafe.effects.model import Effects, Lock
from migsafe.effects.predict import DEFAULT_SERVER_VERSION, effects_of, statement_effects
from migsafe.lint.ahead import Seen, look_ahead
from migsafe.lint.describe_objects import made_by
from migsafe.lint.facts import Facts
from migsafe.lint.follow import Follower
from migsafe.lint.observe import Context, observe, table_of
from migsafe.lint.parts import parts_of
from migsafe.lint.session import Session
from migsafe.lint.sizes import SmallTables
from migsafe.sources.model import PLAN, Source
from migsafe.sql import operations as ops
from migsafe.sql.changes import RenameObject
from migsafe.sql.names import WORKING_NAMES, Name
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind, Operation, Unread
from migsafe.sql.script import ReadStatement, Script, read_script

_CODE = frozenset({"AGGREGATE", "DOMAIN", "FUNCTION", "PROCEDURE", "ROUTINE", "TYPE", "VIEW"})
_SUFFIXES = {
    ConstraintKind.CHECK: "check",
    ConstraintKind.FOREIGN_KEY: "fkey",
    ConstraintKind.NOT_NULL: "not_null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One operation, where it stands (offsets in the text), and its facts."""

    operation: Operation
    start: int
    end: int
    facts: Facts
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A script that was gone through: what was seen, and the schema it leaves."""

    observations: tuple[Observation, ...]
    statements: int
    catalog: Catalog


def walk(
    source: Source,
    *,
    catalog: Catalog,
    server_version: int | None,
    settings: Mapping[str, str],
    wrapped: bool,
    small: SmallTables | None = None,
    script: Script | None = None,
) -> Walk:
    """Observes every operation of the script. Any text is accepted; `script` is what it reads as."""
    if source.problem:
        return _unreadable(source, catalog)
    script = read_script(source.text) if script is None else script
    walker = _Walker(
        source.path,
        History(catalog=catalog),
        Session(settings, wrapped=wrapped),
        server_version=server_version,
    )
    walker.small = small or walker.small
    walker.in_plan = source.tool == PLAN
    walker.script_of(script, source, wrapped=wrapped)
    is_open = walker.session.transaction is not None and not walker.session.in_tools_transaction
    look_ahead(walker.seen, statements=len(script.statements), left_open=is_open)
    return Walk(
        observations=tuple(walker.observations), statements=len(script.statements), catalog=walker.catalog
    )


def _unreadable(source: Source, catalog: Catalog) -> Walk:
    operation = Unread(reason=source.problem)
    at = source.problem_at
    seen = Observation(
        operation=operation,
        start=at,
        end=min(at + 1, len(source.text)),
        facts=Facts(op=operation.kind, reason=source.problem, whole_file=True),
    )
    return Walk(observations=(seen,), statements=0, catalog=catalog)


@dataclass(slots=True)
class _Walker(Follower):
    """The state while going through one script."""

    server_version: int | None
    small: SmallTables = field(default_factory=SmallTables)
    observations: list[Observation] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    added: set[tuple[Name, str]] = field(default_factory=set)
    columns: set[tuple[Name, str]] = field(default_factory=set)
    without_lock_timeout_seen: bool = False
    without_statement_timeout_seen: bool = False
    count: int = 0
    in_plan: bool = False

    @property
    def version(self) -> int:
        return self.server_version or self.catalog.server_version or DEFAULT_SERVER_VERSION

    def begin(self, script: str) -> None:
        """Goes into this script, if it is another: what was made before is not its own."""
        if script != self.script:
            self.made.clear()
            self.columns.clear()
        Follower.begin(self, script)

    def single(self, statement: ReadStatement) -> None:
        """Observes a statement's operations in the order in which PostgreSQL carries them out."""
        self.count += 1
        if self.session.transaction is None:
            self.added.clear()
            self.history = replace(self.history, catalog=next_transaction(self.catalog))
        whole = statement_effects(statement.operations, self.catalog, self.version)
        held = self.session.held
        replayed = {id(part.operation): part.replayed for part in statement.parts}
        for operation in in_passes(statement.operations):
            if len(statement.operations) == 1:
                effects = whole
            else:
                effects = effects_of(operation, self.catalog, self.version, beside=statement.operations)
            self.operation(operation, effects, held, statement)
            self.go_on(replayed[id(operation)], whole.locks)

    def operation(
        self, operation: Operation, effects: Effects, held: tuple[Lock, ...], statement: ReadStatement
    ) -> None:
        """Observes one operation, and what it consists of."""
        session = self.session
        context = Context(
            catalog=self.catalog,
            effects=effects,
            compatibility=compatibility_of(operation, self.catalog),
            script=self.script,
            text=statement.text,
            made=self.made,
            held=held,
            small=self.small,
            in_transaction=session.transaction is not None,
            tool_transaction=session.in_tools_transaction,
            lock_timeout=session.lock_timeout,
            statement_timeout=session.statement_timeout,
            first_without_lock_timeout=not session.has_lock_timeout and not self.without_lock_timeout_seen,
            first_without_statement_timeout=session.statement_timeout is None
            and not self.without_statement_timeout_seen,
            constraint_added_in_transaction=self.validates_own(operation),
        )
        facts = observe(operation, context)
        if session.transaction is not None and not effects.fails:
            refused = with_new_labels(effects, statement, self.catalog, self.version)
            facts.uses_new_enum_value = bool(refused.fails)
            facts.refusal = refused.fails or facts.refusal
        if isinstance(operation, ops.RenameColumn | ops.DropColumn | ops.OtherTableAction):
            column = operation.column or ""
            own = (self.catalog.resolve(operation.table), column)
            facts.column_created_here = own in self.columns or column.startswith(WORKING_NAMES)
        self.note_timeouts(facts)
        depends_on = effects.depends_on if not effects.certain else ()
        self.note(operation, facts, statement, depends_on)
        for part in parts_of(operation, facts, self.catalog):
            self.note(operation, part, statement, ())

    def note(
        self, operation: Operation, facts: Facts, statement: ReadStatement, depends_on: tuple[str, ...]
    ) -> None:
        facts.in_plan = self.in_plan
        self.observations.append(
            Observation(
                operation=operation,
                start=statement.start,
                end=statement.end,
                facts=facts,
                depends_on=depends_on,
            )
        )
        table = table_of(operation, self.catalog)
        self.seen.append(
            Seen(
                operation=operation,
                facts=facts,
                table=self.catalog.resolve(table) if table else None,
                transaction=self.session.transaction,
                statement=self.count,
            )
        )

    def note_timeouts(self, facts: Facts) -> None:
        """What has no timeout is said once, and again when one was set and taken back in between."""
        self.without_lock_timeout_seen = not self.session.has_lock_timeout and (
            self.without_lock_timeout_seen or facts.strong_lock
        )
        self.without_statement_timeout_seen = self.session.statement_timeout is None and (
            self.without_statement_timeout_seen or facts.strong_lock
        )

    def go_on(self, operation: Operation, locks: tuple[Lock, ...] = ()) -> None:
        """Goes behind the operation: what it made, added, set."""
        catalog = self.catalog
        moved: tuple[Name, Name] | None = None
        match operation:
            case ops.RenameTable(table=table, new_name=name):
                moved = catalog.resolve(table), Name(name, catalog.resolve(table).schema)
            case ops.SetSchema(table=table, new_schema=schema):
                moved = catalog.resolve(table), Name(table.name, schema)
            case ops.AddConstraint(table=table, constraint=constraint) if constraint.not_valid:
                self.added.add((catalog.resolve(table), constraint_name(table, constraint)))
            case ops.OtherStatement(changes=changes):
                self.made.update(made[1] for change in changes if (made := made_by(change)))
                # Under its new name it is nobody's yet. (What holds data stays what it was.)
                self.made.update(
                    change.new_name
                    for change in changes
                    if isinstance(change, RenameObject) and change.part is None and change.kind in _CODE
                )
            case ops.AddColumn(table=table, column=column):
                self.columns.add((catalog.resolve(table), column.name))
            case _:
                pass
        if isinstance(operation, ops.CreateTable):
            self.made.add(operation.table.name)
        transaction = self.session.transaction
        # Not super(): a dataclass with slots is made twice, and super() knows only the first.
        Follower.go_on(self, operation, locks)
        if moved is not None:
            self.session.renamed(*moved)
        if self.session.transaction != transaction:
            self.added.clear()

    def validates_own(self, operation: Operation) -> bool:
        match operation:
            case ops.ValidateConstraint(table=table, constraint=name):
                return (self.catalog.resolve(table), name) in self.added
            case _:
                return False


def constraint_name(table: Name, constraint: ConstraintDefinition) -> str:
    """The constraint's name, or the one that PostgreSQL gives it."""
    if constraint.name:
        return constraint.name
    # A CHECK over several columns is named for the table alone.
    is_wide_check = constraint.kind is ConstraintKind.CHECK and len(constraint.columns) != 1
    columns = () if is_wide_check else constraint.columns
    return "_".join((table.name, *columns, _SUFFIXES.get(constraint.kind, "key")))
