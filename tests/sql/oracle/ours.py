"""The same of what migsafe read: its operations as kind, relations and actions."""

from migsafe.sql import operations as ops
from migsafe.sql.names import Name
from migsafe.sql.operations import Operation
from tests.sql.oracle.pg import Seen

_ACTIONS = {
    "add_column": "AT_AddColumn",
    "drop_column": "AT_DropColumn",
    "alter_column_type": "AT_AlterColumnType",
    "set_not_null": "AT_SetNotNull",
    "drop_not_null": "AT_DropNotNull",
    "set_default": "AT_ColumnDefault",
    "drop_default": "AT_ColumnDefault",
    "add_constraint": "AT_AddConstraint",
    "validate_constraint": "AT_ValidateConstraint",
    "drop_constraint": "AT_DropConstraint",
    "attach_partition": "AT_AttachPartition",
    "rename_table": "RENAME TO",
    "rename_column": "RENAME COLUMN",
    "rename_constraint": "RENAME CONSTRAINT",
    "set_schema": "SET SCHEMA",
}
_OTHER = {
    "ALTER COLUMN SET STATISTICS": "AT_SetStatistics",
    "ALTER COLUMN SET STORAGE": "AT_SetStorage",
    "ALTER COLUMN SET COMPRESSION": "AT_SetCompression",
    "ALTER COLUMN SET EXPRESSION": "AT_SetExpression",
    "ALTER COLUMN DROP EXPRESSION": "AT_DropExpression",
    "ALTER COLUMN DROP IDENTITY": "AT_DropIdentity",
    "ALTER COLUMN ADD GENERATED AS IDENTITY": "AT_AddIdentity",
    "ALTER COLUMN SET IDENTITY": "AT_SetIdentity",
    "ALTER COLUMN SET": "AT_SetOptions",
    "ALTER COLUMN RESET": "AT_ResetOptions",
    "ALTER COLUMN OPTIONS": "AT_AlterColumnGenericOptions",
    "ALTER CONSTRAINT": "AT_AlterConstraint",
    "OPTIONS": "AT_GenericOptions",
    "SET": "AT_SetRelOptions",
    "RESET": "AT_ResetRelOptions",
    "SET WITHOUT CLUSTER": "AT_DropCluster",
    "SET WITHOUT OIDS": "AT_DropOids",
    "SET LOGGED": "AT_SetLogged",
    "SET UNLOGGED": "AT_SetUnLogged",
    "ENABLE ROW LEVEL SECURITY": "AT_EnableRowSecurity",
    "DISABLE ROW LEVEL SECURITY": "AT_DisableRowSecurity",
    "FORCE ROW LEVEL SECURITY": "AT_ForceRowSecurity",
    "NO FORCE ROW LEVEL SECURITY": "AT_NoForceRowSecurity",
    "NOT OF": "AT_DropOf",
    "REPLICA IDENTITY FULL": "AT_ReplicaIdentity",
    "REPLICA IDENTITY NOTHING": "AT_ReplicaIdentity",
    "REPLICA IDENTITY DEFAULT": "AT_ReplicaIdentity",
    "REPLICA IDENTITY USING INDEX": "AT_ReplicaIdentity",
    "CLUSTER ON": "AT_ClusterOn",
    "SET TABLESPACE": "AT_SetTableSpace",
    "SET ACCESS METHOD": "AT_SetAccessMethod",
    "OWNER TO": "AT_ChangeOwner",
    "NO INHERIT": "AT_DropInherit",
    "INHERIT": "AT_AddInherit",
    "OF": "AT_AddOf",
    "ENABLE ALWAYS TRIGGER": "AT_EnableAlwaysTrig",
    "ENABLE REPLICA TRIGGER": "AT_EnableReplicaTrig",
    "ENABLE TRIGGER": "AT_EnableTrig",
    "DISABLE TRIGGER": "AT_DisableTrig",
    "ENABLE ALWAYS RULE": "AT_EnableAlwaysRule",
    "ENABLE REPLICA RULE": "AT_EnableReplicaRule",
    "ENABLE RULE": "AT_EnableRule",
    "DISABLE RULE": "AT_DisableRule",
}
_ALL = {
    "ENABLE TRIGGER": {"all": "AT_EnableTrigAll", "user": "AT_EnableTrigUser"},
    "DISABLE TRIGGER": {"all": "AT_DisableTrigAll", "user": "AT_DisableTrigUser"},
}
_TAGS = {
    "create_table": "CREATE TABLE",
    "drop_table": "DROP TABLE",
    "lock_table": "LOCK",
    "truncate": "TRUNCATE",
    "create_index": "CREATE INDEX",
    "drop_index": "DROP INDEX",
    "rename_index": "ALTER INDEX",
    "reindex": "REINDEX",
    "update": "UPDATE",
    "delete": "DELETE",
    "insert": "INSERT",
    "query": "SELECT",
    "begin": "TRANSACTION",
    "commit": "TRANSACTION",
    "rollback": "TRANSACTION",
    "savepoint": "TRANSACTION",
    "set_setting": "SET",
    "reset_setting": "SET",
}
_OF_TRANSACTION = {"PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED"}
_SAME = {
    "ALTER GROUP": "ALTER ROLE",
    "ALTER USER": "ALTER ROLE",
    "ALTER LARGE OBJECT": "ALTER LARGEOBJECT",
    "DISCARD PLANS": "DISCARD",
    "DISCARD SEQUENCES": "DISCARD",
    "DISCARD TEMP": "DISCARD",
    "DROP GROUP": "DROP ROLE",
    "DROP USER": "DROP ROLE",
    "SET TRANSACTION": "SET",
}
_WITH_TARGET = {
    *("GRANT", "REVOKE", "CREATE SEQUENCE", "ALTER SEQUENCE"),
    *("DROP VIEW", "DROP MATERIALIZED VIEW", "DROP FOREIGN TABLE", "DROP SEQUENCE", "CREATE TRIGGER"),
    *("CREATE RULE", "CREATE POLICY", "ALTER POLICY", "ALTER TRIGGER", "ALTER RULE", "DROP TRIGGER"),
    *("DROP RULE", "DROP POLICY", "VACUUM", "ANALYZE", "CLUSTER", "REFRESH MATERIALIZED VIEW"),
    *("CREATE STATISTICS", "COMMENT", "SECURITY LABEL", "ALTER VIEW", "ALTER MATERIALIZED VIEW"),
    *("ALTER FOREIGN TABLE", "ALTER INDEX", "CREATE VIEW", "CREATE MATERIALIZED VIEW"),
    "CREATE FOREIGN TABLE",
}


def seen(operations: tuple[Operation, ...]) -> Seen:
    """One statement's operations as the oracle would say it."""
    last = operations[-1]
    names: set[Name] = set()
    actions: list[str] = []
    for operation in operations:
        names |= _names(operation)
        actions += _actions(operation)
    first = operations[0]
    if isinstance(first, ops.OtherStatement) and first.tag == "CREATE SCHEMA":
        # The oracle leaves names in CREATE SCHEMA as they are written; migsafe puts them into the schema.
        return Seen(first.tag, frozenset(Name(name.name) for name in names))
    return Seen(_tag(last), frozenset(names), tuple(actions))


def _tag(operation: Operation) -> str:
    if isinstance(operation, ops.OtherStatement):
        if operation.tag in _OF_TRANSACTION:
            return "TRANSACTION"
        tag = operation.tag.removesuffix(" CONCURRENTLY").removesuffix(" FULL")
        return _SAME.get(tag, tag)
    return _TAGS.get(operation.kind, "ALTER TABLE")


def _names(operation: Operation) -> set[Name]:
    match operation:
        case ops.OtherStatement(
            tag="CREATE VIEW" | "CREATE MATERIALIZED VIEW",
            target=Name() as target,
            query=ops.Query() as query,
        ):
            return {target, *query.tables}
        case ops.OtherStatement(tag=tag, target=Name() as target):
            return (
                {target} if tag.removesuffix(" CONCURRENTLY").removesuffix(" FULL") in _WITH_TARGET else set()
            )
        case ops.Query(tables=tables):
            return set(tables)
        case ops.Reindex(object_kind=kind, target=Name() as target):
            return {target} if kind in {"index", "table"} else set()
        case ops.CreateTable(table=table, query=ops.Query(tables=tables)):
            return {table, *tables}
        case ops.TableOperation(table=table) | ops.CreateTable(table=table):
            return {table}
        case ops.DropIndex(index=index) | ops.RenameIndex(index=index):
            return {index}
        case _:
            return set()


def _actions(operation: Operation) -> list[str]:
    match operation:
        case ops.OtherStatement(tag="ALTER SEQUENCE"):
            return []  # the oracle's actions of a sequence are left out too
        case ops.OtherStatement(actions=actions):
            return [a for each in actions for a in _actions(each)]
        case ops.RenameIndex():
            return ["RENAME TO"]
        case ops.OtherTableAction(action=action, detail=detail):
            if action == "DEPENDS ON EXTENSION":
                return []
            return [_ALL.get(action, {}).get(detail) or _OTHER[action]]
        case ops.DetachPartition(finalize=finalize):
            return ["AT_DetachPartitionFinalize" if finalize else "AT_DetachPartition"]
        case _ if operation.kind in _ACTIONS:
            return [_ACTIONS[operation.kind]]
        case _:
            return []
