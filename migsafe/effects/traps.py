"""What works today and fails later: constraints that change their mind, keys that count further."""

from migsafe.catalog.model import Catalog
from migsafe.effects.volatility import volatility_of
from migsafe.sql.definitions import Expression
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind

_INTEGERS = ("smallint", "integer", "bigint")
# Their results change with the time, the session or by chance, although a CHECK may call them.
_VARYING = frozenset(
    {
        *("now", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"),
        *("statement_timestamp", "transaction_timestamp", "clock_timestamp", "timeofday"),
        *("current_user", "session_user", "user", "current_role", "current_setting", "random"),
    }
)


def varies(expression: Expression) -> bool:
    """Whether its result depends on the time, the session or chance."""
    found = volatility_of(expression)
    return bool(_VARYING & set(expression.functions)) or (found.volatile and not found.unknown)


def counts_shorter(catalog: Catalog, name: Name, constraint: ConstraintDefinition) -> bool:
    """Whether the key that a foreign key of this table refers to counts further than its own column."""
    table = catalog.table(name)
    other = catalog.table(constraint.references) if constraint.references else None
    if table is None or other is None or len(constraint.columns) != 1:
        return False
    key = next((k.columns for k in other.constraints if k.kind is ConstraintKind.PRIMARY_KEY), ())
    names = constraint.referenced_columns or key
    mine = table.column(constraint.columns[0])
    theirs = other.column(names[0]) if len(names) == 1 else None
    if mine is None or theirs is None or not {mine.type.name, theirs.type.name} <= set(_INTEGERS):
        return False
    return _INTEGERS.index(mine.type.name) < _INTEGERS.index(theirs.type.name)
