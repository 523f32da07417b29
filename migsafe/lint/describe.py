"""The facts that stand in the statement itself: names, definitions, options."""

from migsafe.catalog.model import Catalog
from migsafe.lint.describe_columns import column_facts, dropped_column_facts, type_change_facts
from migsafe.lint.describe_keys import (
    constraint_facts,
    dropped_constraint_facts,
    dropped_index_facts,
    index_facts,
)
from migsafe.lint.describe_objects import object_facts
from migsafe.lint.describe_partitions import partition_facts
from migsafe.lint.facts import Facts
from migsafe.lint.wording import read_words
from migsafe.sql import operations as ops
from migsafe.sql.operations import ConstraintKind, Operation
from migsafe.sql.twice import columns_given_twice


def describe(facts: Facts, operation: Operation, catalog: Catalog, text: str) -> None:
    """Fills in what this operation says about itself; `text` is its whole statement."""
    match operation:
        case ops.AddColumn(column=column):
            column_facts(facts, column, catalog)
            facts.if_not_exists = facts.repeatable = operation.if_not_exists
        case ops.AddConstraint(table=table, constraint=constraint):
            constraint_facts(facts, table, constraint, catalog)
        case ops.AlterColumnType():
            type_change_facts(facts, operation, catalog)
        case ops.DropColumn():
            dropped_column_facts(facts, operation, catalog)
        case ops.DropConstraint():
            dropped_constraint_facts(facts, operation, catalog)
        case ops.CreateIndex():
            index_facts(facts, operation, catalog)
        case ops.DropIndex():
            dropped_index_facts(facts, operation, catalog)
        case ops.AttachPartition() | ops.DetachPartition():
            partition_facts(facts, operation, catalog)
        case ops.CreateTable():
            _table(facts, operation)
        case ops.OtherStatement():
            facts.tag = operation.tag
            object_facts(facts, operation, catalog)
            read_words(facts, text)
        case ops.OtherTableAction():
            _action(facts, operation)
        case _:
            _column(facts, operation)
            _other(facts, operation, text)


def _column(facts: Facts, operation: Operation) -> None:
    match operation:
        case ops.RenameColumn(column=column, new_name=new_name):
            facts.column, facts.new_name = column, new_name
        case ops.RenameTable(new_name=new_name):
            facts.new_name = new_name
        case ops.SetSchema(table=table, new_schema=schema):
            facts.new_name = f"{schema}.{table.name}"
        case ops.SetNotNull(column=column) | ops.DropNotNull(column=column):
            facts.column = column
        case ops.SetDefault(column=column) | ops.DropDefault(column=column):
            facts.column = column
        case _:
            pass


def _other(facts: Facts, operation: Operation, text: str) -> None:
    match operation:
        case ops.ValidateConstraint(constraint=constraint):
            facts.constraint = constraint
        case ops.RenameConstraint(constraint=constraint, new_name=new_name):
            facts.constraint, facts.new_name = constraint, new_name
        case ops.RenameIndex(index=index, new_name=new_name):
            facts.index, facts.new_name = str(index), new_name
        case ops.DropTable(if_exists=if_exists):
            facts.repeatable = if_exists
        case ops.Reindex(object_kind=kind, target=target):
            facts.tag, facts.index = kind.lower(), str(target or "")
        case ops.Truncate():
            facts.tag = "TRUNCATE"
            read_words(facts, text)
        case ops.Insert() | ops.Update():
            _refuse_twice(facts, text)
        case ops.Rollback(to_savepoint=name):
            facts.to_savepoint = name is not None
        case ops.Unread(reason=reason):
            facts.reason = reason
        case _:
            pass


def _refuse_twice(facts: Facts, text: str) -> None:
    if twice := columns_given_twice(text):
        facts.refused_for = "other"
        facts.refusal = f"the column {twice[0]} is given a value twice"


def _table(facts: Facts, operation: ops.CreateTable) -> None:
    kinds = {constraint.kind for constraint in operation.constraints}
    kinds |= {constraint.kind for column in operation.columns for constraint in column.constraints}
    facts.has_primary_key = ConstraintKind.PRIMARY_KEY in kinds
    facts.is_partition = operation.partition_of is not None
    facts.default_partition = operation.default_partition
    facts.as_query = operation.as_query
    facts.copies_table = bool(operation.like or operation.inherits or operation.of_type)
    facts.if_not_exists = facts.repeatable = operation.if_not_exists
    facts.table_partitioned = operation.partitioned
    facts.table_temporary = operation.temporary


def _action(facts: Facts, operation: ops.OtherTableAction) -> None:
    facts.tag, facts.column = operation.action, operation.column or ""
    if operation.action == "ALTER CONSTRAINT":
        facts.constraint = operation.detail.split(" ", 1)[0]
        facts.not_enforced = "not enforced" in operation.detail.lower()
    if operation.action == "SET":
        options = operation.detail.lower().replace(" ", "")
        facts.autovacuum_off = "autovacuum_enabled=false" in options or "autovacuum_enabled=off" in options
    if operation.action == "OWNER TO":
        facts.new_name = operation.detail
