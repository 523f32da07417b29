"""Goes through one script, statement by statement, and observes every operation where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from migsafe.catalog.history import History, advance
from migsafe.catalog.model import Catalog, qualified
from migsafe.effects.compatibility import compatibility_of
from migsafe.effects.predict import effects_of
from migsafe.lint.facts import Facts
from migsafe.lint.observe import Context, observe
from migsafe.lint.session import Session
from migsafe.sources.model import Source
from migsafe.sql import operations as ops
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind, Operation, Unread
from migsafe.sql.script import Part, ReadStatement, read_script

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
) -> Walk:
    """Observes every operation of the script. Any text is accepted."""
    if source.problem:
        return _unreadable(source, catalog)
    script = read_script(source.text)
    walker = _Walker(source, catalog, server_version, Session(settings, wrapped=wrapped))
    for statement in script.statements:
        walker.statement(statement)
    return Walk(observations=walker.finished(), statements=len(script.statements), catalog=walker.catalog)


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


class _Walker:
    """The state while going through one script."""

    def __init__(
        self, source: Source, catalog: Catalog, server_version: int | None, session: Session
    ) -> None:
        self.source = source
        self.history = History(catalog=catalog)
        self.server_version = server_version
        self.session = session
        self.created: set[Name] = set()
        self.created_before: set[Name] = set()
        self.filled: set[Name] = set()
        self.without_timeout_seen = False
        self.seen: list[tuple[int | None, Observation]] = []
        self.ddl_in: set[int | None] = set()
        self.added: set[tuple[Name, str]] = set()

    @property
    def catalog(self) -> Catalog:
        return self.history.catalog

    def statement(self, statement: ReadStatement) -> None:
        if self.session.transaction is None:
            self.added.clear()
        for part in statement.parts:
            self.operation(part, in_block=statement.is_block)

    def operation(self, part: Part, *, in_block: bool) -> None:
        operation = part.operation
        transaction = self.session.transaction
        effects = effects_of(operation, self.catalog, self.server_version)
        context = Context(
            catalog=self.catalog,
            effects=effects,
            compatibility=compatibility_of(operation, self.catalog),
            created=self.created,
            filled=self.filled,
            in_transaction=in_block or transaction is not None,
            has_lock_timeout=self.session.has_lock_timeout,
            first_without_lock_timeout=not self.session.has_lock_timeout and not self.without_timeout_seen,
            constraint_added_in_transaction=self.validates_own(operation),
        )
        facts = observe(operation, context)
        if facts.strong_lock:
            self.ddl_in.add(transaction)
        self.without_timeout_seen = not context.has_lock_timeout and (
            self.without_timeout_seen or facts.strong_lock
        )
        seen = Observation(
            operation=operation,
            start=part.start,
            end=part.end,
            facts=facts,
            depends_on=effects.depends_on if not effects.certain else (),
        )
        self.seen.append((transaction, seen))
        self.go_on(part.replayed)

    def finished(self) -> tuple[Observation, ...]:
        """All observations; those that change data now know whether DDL runs beside them."""
        return tuple(
            replace(seen, facts=replace(seen.facts, beside_ddl=True))
            if isinstance(seen.operation, ops.Update | ops.Delete) and transaction in self.ddl_in
            else seen
            for transaction, seen in self.seen
        )

    def go_on(self, operation: Operation) -> None:
        """Goes behind the operation: what it made, filled, added, set."""
        match operation:
            case ops.CreateTable(table=table, if_not_exists=maybe, as_query=as_query):
                if not (maybe and self.catalog.table(table)):
                    self.created.add(qualified(table))
                    if as_query:
                        self.filled.add(qualified(table))
            case ops.OtherStatement(tag="CREATE MATERIALIZED VIEW", target=Name() as view):
                self.created.add(qualified(view))
            case ops.RenameTable(table=table, new_name=name):
                self.move(table, Name(name, table.schema))
            case ops.SetSchema(table=table, new_schema=schema):
                self.move(table, Name(table.name, schema))
            case ops.DropTable(table=table):
                self.created.discard(qualified(table))
            case ops.Insert(table=table) | ops.Update(table=table):
                self.filled.add(qualified(table))
            case ops.AddConstraint(table=table, constraint=constraint) if constraint.not_valid:
                self.added.add((qualified(table), constraint_name(table, constraint)))
            case _:
                pass
        transaction = self.session.transaction
        self.session.apply(operation)
        if self.session.transaction != transaction:
            self.added.clear()
            if isinstance(operation, ops.Rollback):
                self.created = set(self.created_before)
            self.created_before = set(self.created)
        self.history = advance(self.history, operation, script=self.source.path)

    def move(self, table: Name, new: Name) -> None:
        for tables in (self.created, self.filled):
            if qualified(table) in tables:
                tables.remove(qualified(table))
                tables.add(qualified(new))

    def validates_own(self, operation: Operation) -> bool:
        match operation:
            case ops.ValidateConstraint(table=table, constraint=name):
                return (qualified(table), name) in self.added
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
