"""The expressions that a person gives for the way up and down, as templates of a column's value."""

from migsafe.catalog.model import Catalog
from migsafe.effects.volatility import volatility_of
from migsafe.errors import PlanError, SqlError
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.expressions import expression
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import Expression
from migsafe.sql.rename import replace_column

_OF_THE_MOMENT = frozenset(
    {"now", "current_timestamp", "current_time", "current_date", "localtime", "localtimestamp"}
    | {"transaction_timestamp", "statement_timestamp"}
)
_MARK = "migsafe value"


def template_of(text: str, column: str, catalog: Catalog, *, what: str) -> str:
    """The expression with `{value}` in the place of the column.

    Raises:
        PlanError: It cannot be read, reads another column, or is another value each time it is computed.
    """
    found = _read(text, what)
    others = {*found.columns} - {column}
    if others:
        raise PlanError(
            f"{what} reads {', '.join(sorted(others))} as well: {text}",
            advice="The triggers see a change of the one column only. Add a column by hand that is kept "
            "equal to the expression, or read nothing but the column.",
        )
    if volatility_of(found, catalog).volatile or _OF_THE_MOMENT & {*found.functions}:
        raise PlanError(
            f"{what} is another value every time it is computed: {text}",
            advice="A row that is done could not be told from one that is not. Fill such a column by hand.",
        )
    marked = replace_column(text, column, _MARK)
    return f"({marked.replace(quote_identifier(_MARK), '{value}')})"


def _read(text: str, what: str) -> Expression:
    try:
        tokens = lex(text)
        found = expression(Cursor(text, tokens))
    except (Unreadable, Unlexable, SqlError) as error:
        raise PlanError(f"{what} cannot be read: {text} ({error})") from error
    words = [token.value for token in tokens]
    if any(each in {"select", ";", "$1"} for each in words):
        raise PlanError(f"{what} is more than an expression of the column: {text}")
    for index, token in enumerate(tokens):
        follows = words[index + 1] if index + 1 < len(words) else ""
        if token.kind in {TokenKind.WORD, TokenKind.QUOTED} and follows == "." and index + 2 < len(words):
            after = words[index + 3] if index + 3 < len(words) else ""
            if after != "(" and (index == 0 or words[index - 1] != "::"):
                raise PlanError(
                    f"{what} names a column with its table: {text}", advice="Write the column's name alone."
                )
    return found
