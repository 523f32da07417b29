"""What statements without an operation of their own do, by command tag."""

from migsafe.catalog.model import qualified
from migsafe.effects.model import Blocks, LockMode
from migsafe.effects.prediction import Prediction
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
    "DROP MATERIALIZED VIEW": LockMode.ACCESS_EXCLUSIVE,
    "DROP POLICY": LockMode.ACCESS_EXCLUSIVE,
    "DROP RULE": LockMode.ACCESS_EXCLUSIVE,
    "DROP TRIGGER": LockMode.ACCESS_EXCLUSIVE,
    "DROP VIEW": LockMode.ACCESS_EXCLUSIVE,
    "REFRESH MATERIALIZED VIEW": LockMode.ACCESS_EXCLUSIVE,
    "REFRESH MATERIALIZED VIEW CONCURRENTLY": LockMode.EXCLUSIVE,
    "VACUUM": LockMode.SHARE_UPDATE_EXCLUSIVE,
    "VACUUM FULL": LockMode.ACCESS_EXCLUSIVE,
}
_NEW_STORAGE = frozenset({"CLUSTER", "REFRESH MATERIALIZED VIEW", "VACUUM FULL"})
_READS_ALL = frozenset({"CLUSTER", "VACUUM", "VACUUM FULL"})
_NO_TRANSACTION = frozenset(
    {
        *("ALTER SYSTEM", "CREATE DATABASE", "CREATE SUBSCRIPTION", "CREATE TABLESPACE", "DROP DATABASE"),
        *("DROP SUBSCRIPTION", "DROP TABLESPACE", "VACUUM", "VACUUM FULL"),
    }
)
# Only the parent's own rows are not everything: these go down to the partitions.
_WITH_PARTITIONS = frozenset({"ANALYZE", "CREATE TRIGGER", "DROP TRIGGER", "VACUUM", "VACUUM FULL"})


def other_statement(prediction: Prediction, operation: OtherStatement) -> None:
    """The effects by tag; tags that are not listed lock no table strongly."""
    tag, target = operation.tag, operation.target
    prediction.needs_no_transaction = tag in _NO_TRANSACTION
    if tag in OPAQUE_TAGS:
        anything(prediction, f"what {tag} runs")
        return
    mode = _LOCKS.get(tag)
    if tag in {"ALTER DOMAIN", "CREATE PUBLICATION", "ALTER PUBLICATION", "SECURITY LABEL"}:
        if tag == "ALTER DOMAIN":
            prediction.unknown(f"which tables use the domain {target}")
            prediction.block(Blocks.WRITES)
        return
    if mode is None:
        return
    if target is None:
        if tag in {"CLUSTER", "VACUUM", "VACUUM FULL", "ANALYZE"}:
            prediction.unknown("the tables of the database")
            prediction.block(Blocks.READS_AND_WRITES if "FULL" in tag or tag == "CLUSTER" else Blocks.NONE)
        return
    prediction.lock(prediction.family(target) if tag in _WITH_PARTITIONS else [target], mode)
    if tag in _NEW_STORAGE:
        prediction.rewrites[qualified(target)] = None
        prediction.builds_index = tag != "REFRESH MATERIALIZED VIEW"
    if tag in _READS_ALL:
        prediction.scan(prediction.stored(target))


def anything(prediction: Prediction, question: str) -> None:
    """Text that says nothing about what it does: the worst case stands."""
    prediction.unknown(question)
    prediction.block(Blocks.READS_AND_WRITES)
