"""Facts about partitions: what proves that their rows belong there, and keys that cannot be."""

import re

from migsafe.catalog.model import Catalog, Table
from migsafe.effects.refusals import partition_columns
from migsafe.lint.facts import Facts
from migsafe.sql import operations as ops
from migsafe.sql.names import WORKING_NAMES
from migsafe.sql.operations import ConstraintKind

_WORD = re.compile(r"\w+")


def partition_facts(
    facts: Facts, operation: ops.AttachPartition | ops.DetachPartition, catalog: Catalog
) -> None:
    """Whether a CHECK may spare ATTACH its scan; of DETACH, whether there is a DEFAULT partition."""
    if isinstance(operation, ops.DetachPartition):
        facts.default_partition = any(c.default_partition for c in catalog.children(operation.table))
        return
    facts.object = str(operation.partition)
    facts.default_partition = operation.default
    facts.partition_checked = rows_are_checked(operation, catalog, is_new=False)


def rows_are_checked(operation: ops.AttachPartition, catalog: Catalog, *, is_new: bool) -> bool:
    """Whether CHECKs may spare the scans of the partition, unless it is new, and of the DEFAULT partition."""
    parent, partition = catalog.table(operation.table), catalog.table(operation.partition)
    if parent is None or partition is None:
        return False
    default = next((child for child in catalog.children(operation.table) if child.default_partition), None)
    key = partition_columns(parent)
    if key is None and parent.partition_key:
        key = frozenset()  # of expressions, which any CHECK may be about
    tables = [table for table in (None if is_new else partition, default) if table is not None]
    return all(_checks(table, key) for table in tables)


def _checks(table: Table, columns: frozenset[str] | None) -> bool:
    """Whether it has a CHECK on these columns, or one that a plan made; `columns` None are expressions."""
    checks = [c for c in table.constraints if c.kind is ConstraintKind.CHECK and c.validated]
    if any(check.name.startswith(WORKING_NAMES) for check in checks):
        return True
    return columns is not None and any(columns <= set(_WORD.findall(check.definition)) for check in checks)
