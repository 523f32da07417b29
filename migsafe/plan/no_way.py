"""Operations that no plan makes safe: why not, and what to do instead.

What they change is not the shape of the schema but who may do what, which rows there are, or how others
follow them. No second shape can stand next to the first for that.
"""

from collections.abc import Mapping

from migsafe.catalog.model import Catalog
from migsafe.catalog.replay import apply
from migsafe.effects.traps import counts_shorter, varies
from migsafe.sql.changes import ChangeAttribute
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    ConstraintDefinition,
    CreateTable,
    Insert,
    LockTable,
    Operation,
    OtherStatement,
    OtherTableAction,
    Query,
    Truncate,
    Update,
)
from migsafe.sql.twice import columns_given_twice

_LATER = "Where only the old version needs it: run it by itself, once no instance of that is left."
_ACTIONS = {
    "DISABLE TRIGGER": (
        "what the trigger would have done for rows written meanwhile is never made good",
        "Let the trigger's function look at a setting of the session that does the work, and leave it on.",
    ),
    "DISABLE RULE": ("what the rule would have done meanwhile is never made good", _LATER),
    "ENABLE ROW LEVEL SECURITY": (
        "from its commit on, roles see only the rows that a policy gives them",
        "Create the policies first, try them in a test as each role, and run it by itself.",
    ),
    "FORCE ROW LEVEL SECURITY": (
        "from its commit on, the owner too sees only the rows that a policy gives it",
        "Try the policies in a test as the owner, and run it by itself.",
    ),
    "DISABLE ROW LEVEL SECURITY": (
        "from its commit on, every role sees all rows that its privileges reach",
        "Change the policies instead, one by one.",
    ),
    "NO FORCE ROW LEVEL SECURITY": ("from its commit on, the owner sees all rows", _LATER),
    "REPLICA IDENTITY": (
        "it decides what subscribers are told of every row that is changed from then on",
        "Change it while nobody subscribes, or to an index that was built before.",
    ),
    "OWNER TO": (
        "the old owner loses its rights over the table at once",
        "Grant the new owner what it needs first; then run it by itself.",
    ),
    "SET AUTOVACUUM": (
        "rows that are gone stay in the table, and transaction ids run out",
        "Tune it, and leave it on.",
    ),
}
_TAGS = {
    "REVOKE": ("a version that still uses the privilege fails from its commit on", _LATER),
    "CREATE RULE": (
        "a rule rewrites the statements of every version from its commit on",
        "A trigger can tell versions apart by what they write; a rule cannot.",
    ),
    "DROP POLICY": ("roles may see fewer rows, or none, from its commit on", _LATER),
    "ALTER POLICY": (
        "roles may see other rows from its commit on",
        "Create a policy next to it: policies add up. Drop the first one once nobody depends on it.",
    ),
    "DROP SCHEMA": (
        "what is in it is not told by the statement",
        "Write a DROP for each thing that is in it: for each of them there is a recipe or a reason. "
        "Drop the empty schema at last, by itself.",
    ),
    "DROP EXTENSION": (
        "what its functions, types and operators are used by is not known to the catalog",
        "Look for what uses them (`\\dx+`), move that away with plans of its own, and drop it by itself.",
    ),
    "DROP PUBLICATION": ("subscribers miss what is written until there is one again", _LATER),
    "ALTER PUBLICATION": (
        "subscribers miss what is written to a table that is no longer in it",
        "ADD TABLE is safe; take a table out once no subscriber needs it.",
    ),
    "ALTER SEQUENCE": (
        "numbers that it gives again collide with rows that have them",
        "Set it with setval() to more than the greatest number in use, by itself.",
    ),
    "CLUSTER": (
        "PostgreSQL sorts the table anew while nobody reads or writes it",
        "pg_repack sorts it online.",
    ),
    "VACUUM FULL": (
        "PostgreSQL writes the table anew while nobody reads or writes it",
        "A plain VACUUM makes the space reusable; pg_repack gives it back online.",
    ),
    "VACUUM": (
        "it is upkeep, not a change of the schema",
        "Run it by itself, outside of a transaction.",
    ),
    "DO": (
        "what its code does cannot be told from its text",
        "Write the statements that it would run.",
    ),
    "CALL": (
        "what the procedure does cannot be told from the call",
        "Write the statements that it would run.",
    ),
    "EXECUTE": ("what it runs cannot be told from its text", "Write the statement itself."),
}
_KINDS: Mapping[type[Operation], tuple[str, str]] = {
    Truncate: (
        "its rows are gone for every version at its commit, and nothing brings them back",
        "Where nobody needs them any more, say DELETE: a plan does that in batches. "
        "Where the table itself goes, drop it.",
    ),
    LockTable: (
        "a plan takes its locks itself, each for an instant and with a deadline",
        "Leave LOCK TABLE out.",
    ),
    Query: ("it changes nothing that a plan could take back or repeat", "Run it by itself."),
}
_ROLES = frozenset({"ALTER ROLE", "ALTER USER", "ALTER GROUP", "ALTER DATABASE", "ALTER SYSTEM"})
_OWNERS = frozenset({"DROP ROLE", "DROP USER", "DROP GROUP", "DROP OWNED", "REASSIGN OWNED"})


def why_not(operation: Operation, sql: str, catalog: Catalog) -> tuple[str, str] | None:
    """Why no plan makes the operation safe, and what to do instead; None when nothing speaks against one.

    `sql` is how it was written.
    """
    match operation:
        case CreateTable(as_query=True) if "with no data" not in sql.lower():
            return (
                "it copies rows for as long as there are any",
                "Create the table with its columns, and copy with INSERT ... SELECT: that becomes batches.",
            )
        case Insert() | Update() if twice := columns_given_twice(sql):
            return (
                f"the column {twice[0]} is given a value twice, which PostgreSQL refuses",
                "Take one of them out.",
            )
        case AddConstraint() | AddColumn():
            return _of_constraints(operation, catalog)
        case OtherTableAction(action=action):
            return _of_action(action, operation.detail)
        case OtherStatement(tag=tag) if tag in _ROLES:
            return (
                "it changes roles and settings for all databases or sessions, not the schema",
                "Run it by itself, where such settings are kept.",
            )
        case OtherStatement(tag=tag) if tag in _OWNERS:
            return ("who owns what and may do what is no shape that could stand next to the old one", _LATER)
        case OtherStatement(tag="ALTER SEQUENCE") if "restart" not in sql.lower():
            return None
        case OtherStatement(tag="ALTER TYPE", changes=(ChangeAttribute(), *_)):
            return (
                "every value of the type has another shape at its commit, wherever it is stored",
                "Make a second type next to it, and change the columns that have the first one, one by one.",
            )
        case OtherStatement(tag=tag):
            return _TAGS.get(tag)
        case _:
            return _KINDS.get(type(operation))


def _of_constraints(operation: AddConstraint | AddColumn, catalog: Catalog) -> tuple[str, str] | None:
    if isinstance(operation, AddConstraint):
        return _of_constraint(operation.table, operation.constraint, catalog)
    after = apply(catalog, operation)
    reasons = (_of_constraint(operation.table, each, after) for each in operation.column.constraints)
    return next((reason for reason in reasons if reason is not None), None)


def _of_constraint(table: Name, constraint: ConstraintDefinition, catalog: Catalog) -> tuple[str, str] | None:
    if constraint.expression is not None and varies(constraint.expression):
        return (
            "the CHECK depends on the time, the session or chance: it becomes false for rows that it let in, "
            "and they can then neither be changed nor restored",
            "Let a trigger look at it when a row is written, or compare with a time that the row holds.",
        )
    if counts_shorter(catalog, table, constraint):
        return (
            f"{constraint.columns[0]} of {table} cannot hold all keys of {constraint.references}: inserts "
            "fail once they grow past it",
            f"Plan ALTER COLUMN {constraint.columns[0]} TYPE first, in a migration of its own.",
        )
    return None


def _of_action(action: str, detail: str) -> tuple[str, str] | None:
    if action == "SET" and "autovacuum_enabled" in detail.lower() and "true" not in detail.lower():
        return _ACTIONS["SET AUTOVACUUM"]
    return next((reason for start, reason in _ACTIONS.items() if action.startswith(start)), None)
