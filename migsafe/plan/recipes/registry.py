"""Which recipe is for which operation, and which see several operations together."""

from collections.abc import Callable, Sequence
from typing import Any

from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.recipes.columns.add_column import add_column
from migsafe.plan.recipes.columns.change_type import change_type
from migsafe.plan.recipes.columns.drop_column import drop_column
from migsafe.plan.recipes.columns.drop_default import drop_default
from migsafe.plan.recipes.columns.fill_column import fill_columns
from migsafe.plan.recipes.columns.move_column import move_column
from migsafe.plan.recipes.columns.rename_column import rename_column
from migsafe.plan.recipes.columns.retype import retype
from migsafe.plan.recipes.columns.set_not_null import set_not_null
from migsafe.plan.recipes.columns.split_columns import split_columns
from migsafe.plan.recipes.constraints.add_constraint import add_constraint
from migsafe.plan.recipes.constraints.drop_constraint import drop_constraint, drop_not_null
from migsafe.plan.recipes.constraints.validate_constraint import validate_constraint
from migsafe.plan.recipes.data.delete_rows import delete_rows
from migsafe.plan.recipes.data.insert_rows import insert_rows
from migsafe.plan.recipes.data.update_rows import update_rows
from migsafe.plan.recipes.indexes.create_index import create_index
from migsafe.plan.recipes.indexes.drop_index import drop_index
from migsafe.plan.recipes.indexes.reindex import reindex
from migsafe.plan.recipes.indexes.replace_index import replace_index
from migsafe.plan.recipes.objects.objects import object_recipe
from migsafe.plan.recipes.objects.remake_views import remake_views
from migsafe.plan.recipes.objects.triggers import remake_trigger
from migsafe.plan.recipes.partitions.attach_partition import attach_partition, create_partition
from migsafe.plan.recipes.partitions.detach_partition import detach_partition
from migsafe.plan.recipes.tables.altered_anew import altered_anew
from migsafe.plan.recipes.tables.change_primary_key import change_primary_key
from migsafe.plan.recipes.tables.copied_table import copied_table
from migsafe.plan.recipes.tables.drop_table import drop_table
from migsafe.plan.recipes.tables.rename_table import rename_table
from migsafe.plan.recipes.tables.rewritten_table import rewritten_table
from migsafe.plan.recipes.tables.table_actions import table_action
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AttachPartition,
    CreateIndex,
    Delete,
    DetachPartition,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropIndex,
    DropNotNull,
    DropTable,
    Insert,
    Operation,
    OtherStatement,
    Reindex,
    RenameColumn,
    RenameTable,
    SetNotNull,
    SetSchema,
    Update,
    ValidateConstraint,
)

Recipe = Callable[[Any, Wanted, Scene], Draft | None]
# Sees in the next operations something that they are only together, such as a column that is split; says how
# many of them its draft stands in for.
Pattern = Callable[[Sequence[Wanted], Scene], tuple[Draft, int] | None]
PATTERNS: tuple[Pattern, ...] = (
    retype,  # before remake_views, which would see the views alone
    altered_anew,
    change_primary_key,
    copied_table,
    create_partition,
    fill_columns,
    move_column,
    remake_trigger,
    remake_views,
    replace_index,
    rewritten_table,
    split_columns,
    table_action,
)
RECIPES: dict[type[Operation], Recipe] = {
    AddColumn: add_column,
    AddConstraint: add_constraint,
    AlterColumnType: change_type,
    AttachPartition: attach_partition,
    CreateIndex: create_index,
    Delete: delete_rows,
    DetachPartition: detach_partition,
    DropColumn: drop_column,
    DropConstraint: drop_constraint,
    DropDefault: drop_default,
    DropIndex: drop_index,
    DropNotNull: drop_not_null,
    DropTable: drop_table,
    Insert: insert_rows,
    OtherStatement: object_recipe,
    Reindex: reindex,
    RenameColumn: rename_column,
    RenameTable: rename_table,
    SetNotNull: set_not_null,
    SetSchema: rename_table,
    Update: update_rows,
    ValidateConstraint: validate_constraint,
}
