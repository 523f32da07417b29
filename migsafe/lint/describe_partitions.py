"""Facts about partitions: what proves that their rows belong there, and keys that cannot be."""

import re

from migsafe.catalog.model import Catalog, Table
from migsafe.effects.refusals import partition_columns
from migsafe.lint.facts import Facts
from migsafe.sql import operations as ops
from migsafe.sql.operations import ConstraintKind

_WORD = re.compile(r"\w+")
_KEYS = frozenset({ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE})


def attach_facts(facts: Facts, operation: ops.AttachPartition, catalog: Catalog) -> None:
    """ATTACH PARTITION: a validated CHECK on the partition key may spare the scan."""
    facts.object = str(operation.partition)
    facts.default_partition = operation.default
    parent, partition = catalog.table(operation.table), catalog.table(operation.partition)
    if parent is None or partition is None:
        return
    default = next((child for child in catalog.children(operation.table) if child.default_partition), None)
    key = partition_columns(parent)
    if key is None and parent.partition_key:
        key = frozenset()  # of expressions, which any CHECK may be about
    checked = [partition] if default is None else [partition, default]
    facts.partition_checked = key is not None and all(_checks(table, key) for table in checked)


def partition_key_facts(facts: Facts, operation: ops.CreateTable) -> None:
    """A key of a partitioned table has to hold all columns of the partition key."""
    columns = partition_columns(Table(name=operation.table, partition_key=operation.partition_key))
    if columns is None:
        return
    inline = ((column.name, c) for column in operation.columns for c in column.constraints)
    keys = [
        *(frozenset(c.columns) for c in operation.constraints if c.kind in _KEYS),
        *(frozenset({name}) for name, c in inline if c.kind in _KEYS),
    ]
    if any(not columns <= key for key in keys):
        facts.refused_for = "partition key"
        facts.refusal = f"a unique index of {operation.table} has to include its partition key"


def _checks(table: Table, columns: frozenset[str]) -> bool:
    checks = (c for c in table.constraints if c.kind is ConstraintKind.CHECK and c.validated)
    return any(columns <= set(_WORD.findall(check.definition)) for check in checks)
