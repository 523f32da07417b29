"""ALTER COLUMN TYPE that rewrites: a column of the new type is filled next to the old one."""

from migsafe.catalog.model import Column, Table
from migsafe.errors import PlanError
from migsafe.plan.conversions import Conversion, convert
from migsafe.plan.draft import EITHER, Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, ColumnChange, DownMap
from migsafe.plan.recipes import common
from migsafe.plan.replace_column import TWO_NAMES, Replacement, build_steps
from migsafe.plan.sync import OnMisfit, bounded, make_tag
from migsafe.sql.casts import simple_cast
from migsafe.sql.operations import AlterColumnType


def change_type(operation: AlterColumnType, _wanted: Wanted, scene: Scene) -> Draft:
    """The rollout of a column's new type.

    Raises:
        PlanError: No conversion is known, or something cannot be carried over.
    """
    options = scene.options
    table, old = common.replaceable_column(scene.catalog, operation.table, operation.column)
    conversion = _conversion(operation, table, old)
    swap = options.new_column is None
    if options.new_column is not None:
        common.refuse_taken(table, options.new_column)
    tag = make_tag(str(table.name), old.name, str(operation.type))
    sync = common.make_sync(
        rollout=scene.rollout,
        table=table,
        old=old,
        new_column=options.new_column or bounded("migsafe_new", old.name, tag),
        new_type=operation.type,
        conversion=conversion,
        on_misfit=_on_misfit(options.on_misfit, conversion, table, old),
    )
    change = Replacement(table=table, old=old, sync=sync, swap=swap)
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
        warnings=(*common.warnings(change), *_loss(conversion, sync.on_misfit, old)),
    )


def _conversion(operation: AlterColumnType, table: Table, old: Column) -> Conversion:
    change = f"{old.name} of {table.name} from {old.type} to {operation.type}"
    if operation.using is not None and not _is_plain_cast(operation.using.text, operation):
        raise PlanError(
            f"changing {change} uses an expression of your own: {operation.using.text}",
            advice="migsafe plans conversions that it can prove both ways; there is no recipe for this yet.",
        )
    conversion = convert(old.type, operation.type)
    if conversion is None:
        raise PlanError(
            f"no safe conversion is known for {change}",
            advice="Values could be refused on the way. Add a column and fill it by hand, value by value.",
        )
    return conversion


def _is_plain_cast(text: str, operation: AlterColumnType) -> bool:
    match simple_cast(text):
        case (column, kind):
            return column == operation.column and kind in {None, operation.type}
        case _:
            return False


def _on_misfit(chosen: OnMisfit | None, conversion: Conversion, table: Table, old: Column) -> OnMisfit:
    if conversion.down_map is DownMap.TOTAL:
        return OnMisfit.FAIL  # nothing to decide: everything fits
    best = OnMisfit.NULL if not old.not_null else OnMisfit.NEAREST
    choice = chosen or best
    if choice is OnMisfit.NEAREST and conversion.nearest is None:
        raise PlanError(
            f"{old.name} of {table.name} is NOT NULL, and a new value that the old type cannot hold has no "
            f"nearest {old.type}",
            advice="Decide that such a write fails while both types are in use: --on-misfit fail",
        )
    if choice is OnMisfit.NULL and old.not_null:
        raise PlanError(
            f"{old.name} of {table.name} is NOT NULL, so values that do not fit cannot become NULL",
            advice="Use --on-misfit nearest or --on-misfit fail.",
        )
    return choice


def _loss(conversion: Conversion, on_misfit: OnMisfit, old: Column) -> tuple[str, ...]:
    if conversion.down_map is DownMap.TOTAL:
        return ()
    outcome = {
        OnMisfit.NULL: "becomes NULL in the old column",
        OnMisfit.NEAREST: "becomes the nearest value in the old column",
        OnMisfit.FAIL: "fails in the application's statement",
    }[on_misfit]
    return (
        f"Point of no return for data: from the first value on that {old.type} cannot hold, going back loses "
        f"it. Such a value {outcome}; `migsafe status` counts them.",
    )
