"""Which words PostgreSQL 18 keeps for itself.

https://www.postgresql.org/docs/18/sql-keywords-appendix.html; a test compares with pg_get_keywords().
"""


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


# May not be the name of a column or table without quotes.
RESERVED = words(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint
    create current_catalog current_date current_role current_time current_timestamp current_user default
    deferrable desc distinct do else end except false fetch for foreign from grant group having in
    initially intersect into lateral leading limit localtime localtimestamp not null offset on only or
    order placing primary references returning select session_user some symmetric system_user table then
    to trailing true union unique user using variadic when where window with
    """
)

# May be the name of a function or type, but not of a column or table.
FUNCTION_OR_TYPE = words(
    """
    authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull
    join left like natural notnull outer overlaps right similar tablesample verbose
    """
)

# Read like a column but call a function.
VALUE_FUNCTIONS = words(
    """
    current_catalog current_date current_role current_schema current_time current_timestamp current_user
    localtime localtimestamp session_user system_user user
    """
)
