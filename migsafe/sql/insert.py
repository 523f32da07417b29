"""INSERT ... SELECT taken apart: which columns get which expressions over a row of one other table."""

from dataclasses import dataclass

from migsafe.sql.aliases import NotPlain, take_alias, without_alias
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.expressions import expression
from migsafe.sql.keywords import words
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.names import Name
from migsafe.sql.operations import Expression

# What makes of the rows of a table other rows than one for each.
_NOT_A_ROW_EACH = words(
    """
    distinct group having window union intersect except limit offset fetch for join natural cross tablesample
    """
)
_CONSTANTS = frozenset({TokenKind.STRING, TokenKind.NUMBER})
# https://www.postgresql.org/docs/current/functions-aggregate.html and functions that return sets.
MANY_OR_NONE = words(
    """
    any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist
    dense_rank every generate_series generate_subscripts json_agg json_agg_strict json_array_elements
    json_array_elements_text json_arrayagg json_each json_each_text json_object_agg json_object_keys
    json_objectagg json_populate_recordset json_to_recordset jsonb_agg jsonb_array_elements
    jsonb_array_elements_text jsonb_each jsonb_each_text jsonb_object_agg jsonb_object_keys jsonb_path_query
    jsonb_populate_recordset jsonb_to_recordset lag last_value lead max min mode nth_value ntile percent_rank
    percentile_cont percentile_disc range_agg range_intersect_agg rank regexp_matches regexp_split_to_table
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy row_number
    first_value stddev stddev_pop stddev_samp string_agg string_to_table sum unnest var_pop var_samp variance
    xmlagg
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One expression of the SELECT list; `simple` when it can stand inside of another one as it is."""

    value: Expression
    simple: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainInsert:
    """INSERT ... SELECT from one table, whose row goes by the table's name everywhere.

    `columns` is empty when none are named; an item that is None stands for all columns of the source.
    `ordered` says that the order of the rows was asked for, `ignores_conflicts` that rows which are there
    already stay.
    """

    columns: tuple[str, ...]
    items: tuple[Item | None, ...]
    source: Name
    where: Expression | None
    ordered: bool
    ignores_conflicts: bool


def plain_insert(text: str) -> PlainInsert:
    """The parts of an INSERT ... SELECT.

    Raises:
        NotPlain: It is more than a row for a row of one table, or is written in a way that is not understood.
    """
    try:
        return _insert(_without_alias(text))
    except (Unreadable, Unlexable) as error:
        raise NotPlain(str(error)) from error


def reads_a_table(text: str) -> bool:
    """Whether the rows of an INSERT come FROM somewhere; only conditions and values may read tables else."""
    try:
        cursor = Cursor(text, lex(text))
        cursor.before("from")
    except (Unreadable, Unlexable):
        return True
    return not cursor.done


def given_rows(text: str) -> str:
    """INSERT of given values, so that repeating it does no harm: what is there already stays.

    Raises:
        NotPlain: It gives rows back, or cannot be read.
    """
    try:
        cursor = Cursor(text, lex(text))
        cursor.before("on", "returning")
        has_conflict = cursor.at_words("on", "conflict")
        _conflict(cursor, may_update=True)
    except (Unreadable, Unlexable) as error:
        raise NotPlain(str(error)) from error
    return text if has_conflict else f"{text}\nON CONFLICT DO NOTHING"


def _without_alias(text: str) -> str:
    cursor = Cursor(text, lex(text))
    cursor.before("from")
    cursor.expect("from")
    cursor.take("only")
    source = cursor.name()
    cursor.take("*")
    alias = take_alias(cursor, "where", "order", "on", "returning", ",", *_NOT_A_ROW_EACH, "inner", "left")
    return without_alias(cursor, source, alias)


def _insert(text: str) -> PlainInsert:
    cursor = Cursor(text, lex(text))
    cursor.expect("insert", "into")
    cursor.name()
    if cursor.take("as"):
        cursor.identifier("an alias")
    columns: tuple[str, ...] = ()
    if cursor.word() == "(":
        columns = cursor.inside().listed(lambda here: here.identifier("a column"))
    if cursor.take("overriding"):
        raise NotPlain("it decides about identity columns (OVERRIDING)")
    cursor.expect("select")
    cursor.take("all")
    if cursor.word() in _NOT_A_ROW_EACH:
        raise NotPlain(_several(cursor.word()))
    items = cursor.before("from").listed(_item)
    cursor.expect("from")
    cursor.take("only")
    source = cursor.name()
    cursor.take("*")
    tail = cursor.part(cursor.at, cursor.end).until(lambda at: at.word() in _NOT_A_ROW_EACH | {","})
    if tail.end < cursor.end:
        raise NotPlain(_several(cursor.words[tail.end]))
    where = expression(cursor.before("order", "on", "returning")) if cursor.take("where") else None
    ordered = cursor.take("order", "by") and bool(cursor.before("on", "returning"))
    ignores = _conflict(cursor)
    return PlainInsert(
        columns=columns,
        items=items,
        source=source,
        where=where,
        ordered=ordered,
        ignores_conflicts=ignores,
    )


def _conflict(cursor: Cursor, *, may_update: bool = False) -> bool:
    if cursor.take("on", "conflict"):
        cursor.before("do")
        if may_update:
            cursor.before("returning")
        elif not cursor.take("do", "nothing"):
            raise NotPlain("it updates rows that are there already (ON CONFLICT DO UPDATE)")
        ignores = True
    else:
        ignores = False
    if cursor.take("returning"):
        raise NotPlain("it gives rows back (RETURNING), which nobody would receive")
    cursor.expect_end()
    return ignores


def _item(cursor: Cursor) -> Item | None:
    item = cursor.before(",")
    if item.word() == "*" or (item.word(1) == "." and item.word(2) == "*"):
        return None
    part = item.part(item.at, item.end)
    value_only = part.before("as")
    if not part.done and part.at_words("as"):
        item = value_only
    value = expression(item.part(item.at, item.end))
    many = MANY_OR_NONE & {*value.functions}
    if "over" in item.words[item.at : item.end] or many:
        raise NotPlain(f"{value.text} is made of several rows, or makes several")
    return Item(value=value, simple=_is_simple(item))


def _is_simple(item: Cursor) -> bool:
    """Whether nothing stands behind the expression: a label may do so without AS."""
    last, count = item.end - 1, item.end - item.at
    if count == 1 or item.words[last] == ")" or item.tokens.kinds[last] in _CONSTANTS:
        return True
    return item.words[last - 1] in {".", "::"}


def _several(word: str) -> str:
    what = "several tables" if word in {",", "join", "natural", "cross"} else word.upper()
    return f"it has {what}, so that its rows are not those of one table"
