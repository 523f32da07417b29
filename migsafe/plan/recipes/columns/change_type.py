"""ALTER COLUMN TYPE that rewrites: a column of the new type is filled next to the old one."""

from dataclasses import replace

from migsafe.catalog.model import Column, Table
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import Conversion
from migsafe.plan.draft import EITHER, Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, ColumnChange, DownMap
from migsafe.plan.recipes import common
from migsafe.plan.recipes.columns.way import Way, way_of
from migsafe.plan.replace.column import TWO_NAMES, build_steps
from migsafe.plan.replace.dependants import needs_mending, view_twins
from migsafe.plan.replace.numbering import widened
from migsafe.plan.replace.references import references_to
from migsafe.plan.replace.replacement import Around, Replacement
from migsafe.plan.sync.pair import OnMisfit, Side, bounded, make_tag
from migsafe.sql.operations import AlterColumnType, ConstraintKind, TypeName
from migsafe.sql.types import is_built_in

# Where the nearest value is refused, since it is there already or not there at all.
_CHOOSY = {ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE, ConstraintKind.FOREIGN_KEY}


def change_type(
    operation: AlterColumnType,
    wanted: Wanted,
    scene: Scene,
    *,
    around: Around | None = None,
    way: Way | None = None,
) -> Draft:
    """The rollout of a column's new type; `around` is what the migration says before and after.

    `way` is how values pass, where that is known already.

    Raises:
        PlanError: No conversion is known, or something cannot be carried over.
    """
    options = scene.options
    table, old = common.replaceable_column(scene.catalog, operation.table, operation.column)
    operation = replace(operation, type=_resolved(operation.type, scene))
    swap = options.new_column is None
    if options.new_column is not None:
        common.refuse_taken(table, options.new_column)
    tag = make_tag(str(table.name), old.name, str(operation.type), str(operation.collation or ""))
    way = way or way_of(operation, wanted, table, old, scene, tag=tag)
    conversion = way.conversion
    if conversion.up_fits is not None and not swap:
        raise PlanError(
            f"while {old.name} of {table.name} has two names, the running version may write a value that has "
            f"no {operation.type}, and the new version would not see it",
            advice="Plan without --new-column: the columns are exchanged once every value is proven.",
        )
    on_misfit = _on_misfit(options.on_misfit, conversion, table, old, swap=swap)
    sync = common.make_sync(
        rollout=scene.rollout,
        table=table,
        old=old,
        new_column=options.new_column or bounded("migsafe_new", old.name, tag),
        new_type=operation.type,
        conversion=conversion,
        on_misfit=on_misfit,
    )
    sync = replace(sync, new=_new_side(sync.new, operation))
    change = Replacement(
        table=table,
        old=old,
        sync=sync,
        swap=swap,
        catalog=scene.catalog,
        server_version=scene.server_version,
        helpers=way.helpers,
        around=around or Around(),
    )
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Change {old.name} of {table.name} from {old.type} to {operation.type}, no rewrite",
            subject=table.name,
            down_map=conversion.down_map,
            application_change=not swap,
            column=ColumnChange(
                old=old.name,
                new=options.new_column or old.name,
                old_type=str(old.type),
                new_type=str(operation.type),
            ),
        ),
        compatibility=EITHER if swap else TWO_NAMES,
        steps=build_steps(change),
        mends=needs_mending(change),
        warnings=(
            *common.warnings(change),
            *_loss(conversion, on_misfit, old),
            *_narrower(conversion, old),
            *way.warnings,
            *_also(change),
            *view_twins(change).warnings(),
        ),
    )


def _resolved(kind: TypeName, scene: Scene) -> TypeName:
    """A user's type by its full name, for sessions with another search_path."""
    if kind.schema or is_built_in(kind):
        return kind
    name = scene.catalog.resolve_type(kind)
    return replace(kind, schema=name.schema) if name else kind


def _new_side(side: Side, operation: AlterColumnType) -> Side:
    """Without COLLATE the column gets the collation of its type."""
    return replace(side, collation=operation.collation.sql if operation.collation else None)


def _on_misfit(
    chosen: OnMisfit | None, conversion: Conversion, table: Table, old: Column, *, swap: bool
) -> OnMisfit:
    """What becomes of a value that the old type cannot hold.

    After a swap nobody reads the old column, so it may be NULL there even where the column is NOT NULL.
    """
    if conversion.down_map is DownMap.TOTAL:
        return OnMisfit.FAIL  # nothing to decide: everything fits
    single = any(old.name in each.columns and each.kind in _CHOOSY for each in table.constraints) or any(
        index.unique and old.name in index.columns for index in table.indexes
    )
    has_nearest = conversion.nearest is not None and not single
    best = OnMisfit.NULL if not old.not_null or (swap and not has_nearest) else OnMisfit.NEAREST
    choice = chosen or best
    if choice is OnMisfit.NEAREST and not has_nearest:
        because = "and a key at that" if single else f"has no nearest {old.type}"
        raise PlanError(
            f"{old.name} of {table.name} is NOT NULL, {because}: a new value that the old type cannot hold "
            "has no place there",
            advice="Decide that such a write fails while both types are in use: --on-misfit fail",
        )
    if choice is OnMisfit.NULL and old.not_null and not swap:
        raise PlanError(
            f"{old.name} of {table.name} is NOT NULL, so values that do not fit cannot become NULL",
            advice="Use --on-misfit nearest or --on-misfit fail.",
        )
    return choice


def _narrower(conversion: Conversion, old: Column) -> tuple[str, ...]:
    """What becomes of values of the running version that the new type cannot hold."""
    if conversion.up_fits is None:
        return ()
    outcome = (
        "a statement of the running version that writes such a value fails"
        if old.not_null
        else "the swap waits until such a value of the running version is corrected"
    )
    return (
        "Values that cannot be converted are found before anything is filled. From the verify phase on, "
        f"{outcome}.",
    )


def _loss(conversion: Conversion, on_misfit: OnMisfit, old: Column) -> tuple[str, ...]:
    outcome = {
        OnMisfit.NULL: "becomes NULL in the old column",
        OnMisfit.NEAREST: "becomes the nearest value in the old column",
        OnMisfit.FAIL: "fails in the application's statement",
    }[on_misfit]
    match conversion.down_map:
        case DownMap.TOTAL:
            return ()
        case DownMap.NONE:
            return (
                "Point of no return for data: no way down is known, so from the swap on every value that is "
                f"written {outcome}, and going back loses it. `-- migsafe: down EXPRESSION` before the "
                "statement gives one.",
            )
        case DownMap.LOSSY:
            return (
                f"Point of no return for data: from the first value on that {old.type} cannot hold, going "
                f"back loses it. Such a value {outcome}; `migsafe status` counts them.",
            )


def _also(change: Replacement) -> tuple[str, ...]:
    going_back = (
        (
            f"Going back after the exchange makes foreign keys to {change.old.name} again and proves them: "
            "that takes as long as their tables are big.",
        )
        if references_to(change)
        else ()
    )
    return going_back + tuple(
        f"The sequence {name} counts as {change.sync.new.type} from the swap on, which the migration's own "
        "statement would not do."
        for name in widened(change)
    )
