"""DROP VIEW ..., CREATE VIEW ...: the new views take the names of the old ones in one transaction.

The old ones become tombstones, which go on reading each other, so that going back is only a renaming. A
materialized view is filled, and gets its indexes, before anybody sees it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from migsafe.catalog.find import relation_of_index
from migsafe.catalog.model import Catalog, View
from migsafe.catalog.replay import apply
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, Step
from migsafe.plan.recipes.indexes.create_index import tail_of
from migsafe.plan.recipes.objects import parts, views
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.sql.changes import CreateView, DropObject
from migsafe.sql.names import Name
from migsafe.sql.operations import CreateIndex, OtherStatement
from migsafe.sql.script import read_script
from migsafe.sql.written import words_of

_KINDS = frozenset({"VIEW", "MATERIALIZED VIEW"})
_SHARED = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.DROPPED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)


@dataclass(slots=True, kw_only=True)
class _Swap:
    """What is done before the names change hands, forward then, and what takes that back."""

    ready: list[str] = field(default_factory=list)
    unready: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)

    def both(self, forward: str, backward: str) -> None:
        self.forward.append(forward)
        self.backward.insert(0, backward)


def remake_views(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """Views dropped and created again in the same migration; None when it is nothing of that kind.

    Raises:
        PlanError: A column that the old version reads would be gone, or the old views are not known.
    """
    drops = _drops(wanted, scene.catalog)
    names = [view.name for view in drops]
    made = _made(wanted[len(drops) :], scene.catalog, names)
    again = [change.name for change, _ in made if _full(change.name, scene.catalog) in names]
    if not drops or not again:
        return None
    count = len(drops) + len(made)
    rest = _belonging(
        wanted[count:], [_full(change.name, scene.catalog) for change, _ in made], scene.catalog
    )
    return _draft(drops, made, rest, scene), count + len(rest)


def _drops(wanted: Sequence[Wanted], catalog: Catalog) -> list[View]:
    found: list[View] = []
    for each in wanted:
        change = _only_change(each)
        if not isinstance(change, DropObject) or change.kind not in _KINDS or change.cascade:
            break
        view = catalog.view(change.name)
        if view is None or catalog.created_now(view):
            break
        found.append(view)
    return found


def _made(
    wanted: Sequence[Wanted], catalog: Catalog, dropped: Sequence[Name]
) -> list[tuple[CreateView, Wanted]]:
    """The views made again, and the new ones between them."""
    found: list[tuple[CreateView, Wanted]] = []
    for each in wanted:
        change = _only_change(each)
        if not isinstance(change, CreateView) or change.temporary:
            break
        if catalog.has_relation(name := _full(change.name, catalog)) and name not in dropped:
            break
        found.append((change, each))
    return found


def _belonging(wanted: Sequence[Wanted], made: Sequence[Name], catalog: Catalog) -> list[Wanted]:
    """Indexes, privileges and comments of the new views, which follow them."""
    found: list[Wanted] = []
    for each in wanted:
        match each.operation:
            case CreateIndex(table=table) if catalog.resolve(table) in made:
                pass
            case OtherStatement(tag="GRANT" | "COMMENT", target=Name() as target) if (
                catalog.resolve(target) in made
            ):
                pass
            case _:
                break
        found.append(each)
    return found


def _draft(
    drops: list[View], made: list[tuple[CreateView, Wanted]], rest: list[Wanted], scene: Scene
) -> Draft:
    old = {view.name: view for view in drops}
    new = {_full(change.name, scene.catalog): change for change, _ in made}
    for name, change in new.items():
        if name in old:
            _refuse_lost(old[name], change)
    swap = _Swap()
    for view in drops:
        if view.name in new:
            grave = parts.tombstone(view.name, "view")
            kind = views.kind_of(view)
            away = parts.renamed(kind, view.name, grave)
            swap.both(away, parts.renamed(kind, grave, view.name))
    for change, each in made:
        name = _full(change.name, scene.catalog)
        _create(swap, change, each, name, {*new} - {name})
        if name in old:
            swap.forward.extend(_adorned(old[name], change))
    _belongings(swap, rest, scene, new)
    return Draft(
        change=Change(
            kind="replace_view",
            summary=f"Make {', '.join(str(name) for name in new)} again under the same name",
            subject=next(name for name in new if name in old),
        ),
        compatibility=_SHARED if all(view.name in new for view in drops) else parts.LEAVING,
        steps=tuple(_steps(swap, drops, new)),
        warnings=(
            "Both versions see the new views from 'verified' on: the columns that the old version reads must "
            "hold what it expects, in the same types.",
            f"Clients that prepare `SELECT * FROM {next(iter(new))}` get 'cached plan must not change result "
            "type' when its columns change, until they prepare it again.",
        ),
    )


def _steps(swap: _Swap, drops: list[View], new: dict[Name, CreateView]) -> Iterator[Step]:
    first = next(iter(new)).name
    if swap.ready:
        yield DdlStep(
            id=f"verify.view.{first}.fill",
            stage=Stage.VERIFIED,
            title="Fill the new materialized views under working names, while everybody goes on",
            sql=tuple(swap.ready),
            undo=tuple(swap.unready),
            patient=True,
        )
    yield DdlStep(
        id=f"verify.view.{first}.swap",
        stage=Stage.VERIFIED,
        title=f"Give the names {', '.join(name.name for name in new)} to the new views, in one transaction",
        sql=tuple(swap.forward),
        undo=tuple(swap.backward),
        locks=strong(*(view.name for view in drops if view.name in new)),
    )
    for view in drops:
        if view.name not in new:
            yield views.leave(view, view.name)[0]
    for view in drops:
        yield views.drop_step(view, view.name, parts.tombstone(view.name, "view"))


def _create(swap: _Swap, change: CreateView, wanted: Wanted, name: Name, others: set[Name]) -> None:
    if not change.materialized:
        swap.both(wanted.sql, f"DROP VIEW {name.sql}")
        return
    reads = {other.name for other in others} & {read.name for read in change.reads}
    if reads:
        raise PlanError(
            f"{name} would be filled from the old {', '.join(sorted(reads))}, which changes at the same time",
            advice="Plan the two one after the other, each from a migration of its own.",
        )
    working = parts.working(name, "view")
    swap.ready.append(_under_name(wanted.sql, working))
    swap.unready.append(f"DROP MATERIALIZED VIEW IF EXISTS {working.sql}")
    kind = "MATERIALIZED VIEW"
    swap.both(parts.renamed(kind, working, name), parts.renamed(kind, name, working))


def _belongings(swap: _Swap, rest: list[Wanted], scene: Scene, new: dict[Name, CreateView]) -> None:
    for each in rest:
        if not isinstance(each.operation, CreateIndex):
            swap.forward.append(each.sql)
            continue
        table = scene.catalog.resolve(each.operation.table)
        if not new[table].materialized:
            raise PlanError(f"{table} is a view, which has no indexes of its own")
        name = _index_name(each.operation, table, scene.catalog)
        working = parts.working(name, "index")
        make = "CREATE UNIQUE INDEX" if each.operation.unique else "CREATE INDEX"
        swap.ready.append(
            f"{make} {working.sql.rpartition('.')[2]} ON {parts.working(table, 'view').sql} "
            f"{tail_of(each.sql)}"
        )
        if relation_of_index(scene.catalog, name):
            grave = parts.tombstone(name, "index")
            swap.both(parts.renamed("INDEX", name, grave), parts.renamed("INDEX", grave, name))
        swap.both(parts.renamed("INDEX", working, name), parts.renamed("INDEX", name, working))


def _index_name(operation: CreateIndex, table: Name, catalog: Catalog) -> Name:
    """The name that the migration's own statement gives the index, once the old view is gone."""
    if operation.name:
        return Name(operation.name, table.schema)
    after = apply(catalog.without_view(table).with_view(View(name=table, materialized=True)), operation)
    view = after.view(table)
    if view is None or len(view.indexes) != 1:
        raise PlanError(f"the name of the new index on {table} cannot be told", advice="Give it one.")
    return Name(view.indexes[0].name, table.schema)


def _adorned(old: View, change: CreateView) -> Iterator[str]:
    """What the old view had beside its query: the migration would lose its privileges without a word."""
    for statement in old.adorned:
        if old.materialized == change.materialized or statement.startswith("GRANT "):
            yield statement


def _refuse_lost(old: View, change: CreateView) -> None:
    lost = [column for column in old.columns if column not in views.columns_of(change)]
    if lost:
        raise PlanError(
            f"the new {old.name} has no {', '.join(lost)}, which the version that runs today may read",
            advice="Keep the column for now and drop it in a later migration; or give the new view a name of "
            "its own, and drop the old one.",
        )


def _under_name(sql: str, name: Name) -> str:
    """CREATE MATERIALIZED VIEW with another name."""
    (statement,) = read_script(sql).statements
    words = words_of(statement)
    at = words.find("view", 0, len(words.tokens))
    assert at is not None  # noqa: S101 -- it was read as one
    first = at + 1 + (3 if words.at(at + 1, "if", "not", "exists") else 0)
    last = first
    while words.at(last + 1, "."):
        last += 2
    return f"{sql[: words.tokens[first].start]}{name.sql}{sql[words.tokens[last].end :]}"


def _only_change(wanted: Wanted) -> object:
    operation = wanted.operation
    if isinstance(operation, OtherStatement) and len(operation.changes) == 1:
        return operation.changes[0]
    return None


def _full(name: Name, catalog: Catalog) -> Name:
    return catalog.resolve(name)
