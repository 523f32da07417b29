"""What statements without an operation of their own do, by command tag."""

from migsafe.effects.model import Blocks, LockMode
from migsafe.effects.objects import changes_objects
from migsafe.effects.prediction import Prediction
from migsafe.sql.changes import AttachIndex, CreateTrigger
from migsafe.sql.names import Name
from migsafe.sql.operations import OPAQUE_TAGS, OtherStatement

_LOCKS = {
    "ALTER FOREIGN TABLE": LockMode.ACCESS_EXCLUSIVE,
    "ALTER MATERIALIZED VIEW": LockMode.ACCESS_EXCLUSIVE,
    "ALTER POLICY": LockMode.ACCESS_EXCLUSIVE,
    "ALTER RULE": LockMode.ACCESS_EXCLUSIVE,
    "ALTER TRIGGER": LockMode.ACCESS_EXCLUSIVE,
    "ALTER VIEW": LockMode.ACCESS_EXCLUSIVE,
    "ANALYZE": LockMode.SHARE_UPDATE_EXCLUSIVE,
    "CLUSTER": LockMode.ACCESS_EXCLUSIVE,
    "COMMENT": LockMode.SHARE_UPDATE_EXCLUSIVE,
    "CREATE POLICY": LockMode.ACCESS_EXCLUSIVE,
    "CREATE RULE": LockMode.ACCESS_EXCLUSIVE,
    "CREATE STATISTICS": LockMode.SHARE_UPDATE_EXCLUSIVE,
    "CREATE TRIGGER": LockMode.SHARE_ROW_EXCLUSIVE,
    "DROP FOREIGN TABLE": LockMode.ACCESS_EXCLUSIVE,
    "REFRESH MATERIALIZED VIEW": LockMode.ACCESS_EXCLUSIVE,
    "REFRESH MATERIALIZED VIEW CONCURRENTLY": LockMode.EXCLUSIVE,
    "VACUUM": LockMode.SHARE_UPDATE_EXCLUSIVE,
    "VACUUM FULL": LockMode.ACCESS_EXCLUSIVE,
}
_NEW_STORAGE = frozenset({"CLUSTER", "VACUUM FULL"})
_NO_TRANSACTION = frozenset(
    {
        *("ALTER SYSTEM", "CREATE DATABASE", "CREATE SUBSCRIPTION", "CREATE TABLESPACE", "DROP DATABASE"),
        *("DROP SUBSCRIPTION", "DROP TABLESPACE", "VACUUM", "VACUUM FULL"),
    }
)
# Only the parent's own rows are not everything: these go down to the tables below.
_WITH_BELOW = frozenset({"ANALYZE", "VACUUM", "VACUUM FULL"})
_WITH_PARTITIONS = frozenset({"CLUSTER"})
# Which tables these are about is not told by their operations.
_SOME_TABLES = frozenset({"ALTER PUBLICATION", "CREATE PUBLICATION", "DROP STATISTICS"})
_FOR_ALL = frozenset({"ANALYZE", "CLUSTER", "VACUUM", "VACUUM FULL"})


def other_statement(prediction: Prediction, operation: OtherStatement) -> None:
    """The effects by tag; tags that are not listed lock no table strongly."""
    tag = operation.tag
    prediction.needs_no_transaction = tag in _NO_TRANSACTION
    if tag in OPAQUE_TAGS:
        anything(prediction, f"what {tag} runs")
        return
    changes_objects(prediction, operation)
    if tag == "ALTER INDEX" and any(isinstance(change, AttachIndex) for change in operation.changes):
        prediction.block(Blocks.READS_AND_WRITES)  # the part is locked, and every query looks at all indexes
    elif tag == "ALTER INDEX":
        prediction.unknown("which setting of the index it changes")
        prediction.block(Blocks.READS_AND_WRITES)
    elif tag in _SOME_TABLES:
        prediction.unknown(f"which tables {tag} is about")
        prediction.lock(prediction.catalog.tables, LockMode.SHARE_UPDATE_EXCLUSIVE)
    elif tag in _LOCKS and operation.target is not None:
        _on_one(prediction, operation, operation.target)
    elif tag in _FOR_ALL:
        prediction.unknown("the tables of the database")
        prediction.block(Blocks.READS_AND_WRITES if "FULL" in tag or tag == "CLUSTER" else Blocks.NONE)


def _on_one(prediction: Prediction, operation: OtherStatement, target: Name) -> None:
    """A statement about one table or view."""
    tag = operation.tag
    if tag == "COMMENT" and "part" in operation.options:
        return  # on a constraint, trigger, rule or policy: its table is only looked up
    if prediction.is_missing(target):
        if tag != "COMMENT":
            prediction.fail(f"there is no relation {target}")
        if tag.startswith("ALTER"):
            prediction.unknown("whether it says IF EXISTS")
        return
    if tag == "CREATE TRIGGER":
        _trigger(prediction, operation)
        return
    if tag == "ALTER MATERIALIZED VIEW":
        prediction.unknown(f"which setting of {target} it changes")
    if tag == "CLUSTER" and prediction.is_partitioned(target):
        if prediction.server_version < 150000:
            prediction.fail(f"{target} is partitioned: CLUSTER needs PostgreSQL 15 for that")
        prediction.needs_no_transaction = True
    members = _members(prediction, tag, target)
    if tag == "CLUSTER":
        # Partitions of partitions are passed by.
        members = tuple(m for m in members if m == members[0] or not prediction.is_partitioned(m))
    prediction.lock(members, _LOCKS[tag])
    if tag in _NEW_STORAGE:
        prediction.rewrite(member for member in members if not prediction.is_partitioned(member))
    if tag.startswith("REFRESH"):
        _refresh(prediction, operation)


def _members(prediction: Prediction, tag: str, target: Name) -> tuple[Name, ...]:
    if tag in _WITH_PARTITIONS:
        return prediction.partitions(target)
    if tag not in _WITH_BELOW:
        return (target,)
    # From PostgreSQL 18 on tables that inherit come along too.
    return prediction.family(target) if prediction.server_version >= 180000 else prediction.partitions(target)


def _trigger(prediction: Prediction, operation: OtherStatement) -> None:
    """Only triggers for each row exist on the partitions too."""
    if operation.target is None:
        return
    found = next((change for change in operation.changes if isinstance(change, CreateTrigger)), None)
    by_row = found is None or found.row
    members = prediction.partitions(operation.target) if by_row else (operation.target,)
    prediction.lock(members, LockMode.SHARE_ROW_EXCLUSIVE)
    table = prediction.table(operation.target)
    if found and table and any(trigger.name == found.name for trigger in table.triggers):
        prediction.unknown(f"whether CREATE OR REPLACE replaces the trigger {found.name}")


def _refresh(prediction: Prediction, operation: OtherStatement) -> None:
    view = prediction.catalog.view(operation.target) if operation.target else None
    if operation.target is None or operation.tag.endswith("CONCURRENTLY"):
        return
    prediction.rewrites[prediction.catalog.resolve(operation.target)] = None
    prediction.builds_index = view is None or bool(view.indexes)


def anything(prediction: Prediction, question: str) -> None:
    """Text that says nothing about what it does: the worst case stands."""
    prediction.unknown(question)
    prediction.block(Blocks.READS_AND_WRITES)
