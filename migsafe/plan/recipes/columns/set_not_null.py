"""SET NOT NULL: first no new row may hold NULL, then no old one does, then the column says so."""

from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import not_null_steps, proof_of_rows
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change
from migsafe.plan.recipes import common
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import SetNotNull


def set_not_null(operation: SetNotNull, _wanted: Wanted, scene: Scene) -> Draft:
    """NOT NULL without a scan under a strong lock.

    A row that holds NULL could not even be updated any more once the constraint is there, so that there is
    none is proven first.

    Raises:
        PlanError: The column is not known, or its table is partitioned.
    """
    table, column = common.known_column(scene.catalog, operation.table, operation.column)
    check = bounded("migsafe_not_null", column.name, make_tag(str(table.name), column.name, "not null"))
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Make {column.name} of {table.name} NOT NULL without a scan that blocks",
            subject=table.name,
        ),
        steps=(
            proof_of_rows(
                table,
                id=f"verify.not_null.{column.name}.rows",
                title=f"Prove that no row holds NULL in {column.name}",
                mismatch=f"{quote_identifier(column.name)} IS NULL",
            ),
            *not_null_steps(table.name, column.name, check),
        ),
        warnings=(
            f"From 'Refuse NULL in {column.name} for new rows' on, a statement that writes NULL there fails: "
            "make sure that the version that runs today always gives a value.",
        ),
    )
