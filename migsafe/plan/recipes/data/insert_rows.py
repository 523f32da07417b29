"""INSERT ... SELECT of many rows at once: the same rows, copied in small batches."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from migsafe.catalog.model import Catalog, Table
from migsafe.effects.volatility import volatility_of
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import proof_of_rows
from migsafe.plan.migration import Wanted
from migsafe.plan.model import BackfillStep, Change, CopyRows, DownMap
from migsafe.plan.recipes import common
from migsafe.plan.recipes.data import rows
from migsafe.plan.stages import Stage
from migsafe.sql.aliases import NotPlain
from migsafe.sql.insert import Item, PlainInsert, given_rows, plain_insert, reads_a_table
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ConstraintKind, Expression, Insert

_COPY, _ROW = "migsafe_copy", "migsafe_row"
_ADVICE = (
    "Write INSERT INTO target (columns) SELECT expressions FROM one table WHERE condition, with all columns "
    "of a key of the target among them; or carry it out in batches of your own."
)


def insert_rows(operation: Insert, wanted: Wanted, scene: Scene) -> Draft:
    """A backfill that copies each row which has no copy yet, told by a key of the target.

    Given values run as they are, and so does everything that fills a table of the same migration.

    Raises:
        PlanError: It cannot be told of a row that it was copied, or the statement cannot be taken apart.
    """
    catalog = scene.catalog
    target = common.known_table(catalog, operation.table)
    if catalog.created_now(target):
        try:
            return _copied(operation, wanted, target, catalog)
        except PlanError:
            return rows.as_written(operation, wanted, target, patient=True)
    word = wanted.sql.split(maxsplit=1)[0].lower()
    if word != "insert":
        raise PlanError(f"there is no recipe for {word.upper()}", advice=_ADVICE)
    if not operation.from_query or not reads_a_table(wanted.sql):
        return _given(operation, wanted, target)
    return _copied(operation, wanted, target, catalog)


def _given(operation: Insert, wanted: Wanted, target: Table) -> Draft:
    try:
        sql = given_rows(wanted.sql)
    except NotPlain as error:
        raise PlanError(f"the INSERT into {target.name} cannot be taken apart: {error}") from error
    return rows.as_written(
        operation,
        replace(wanted, sql=sql),
        target,
        patient=False,
        down_map=DownMap.NONE,
        warnings=(
            f"The rows inserted into {target.name} stay after a revert; a row whose key is there already is "
            "left alone, where the migration alone would have failed.",
        ),
    )


def _copied(operation: Insert, wanted: Wanted, target: Table, catalog: Catalog) -> Draft:
    try:
        insert = plain_insert(wanted.sql)
    except NotPlain as error:
        raise PlanError(
            f"the INSERT into {target.name} cannot be taken apart: {error}", advice=_ADVICE
        ) from error
    source = common.known_table(catalog, insert.source)
    if source.name == target.name:
        raise PlanError(f"{target.name} is copied into itself, so that copies would be copied again")
    columns, values = _pairs(insert, source, target)
    _refuse_unknown(values, insert.where, catalog)
    key = _key(target, columns, values, catalog)
    pending = _missing(source, target, dict(zip(columns, values, strict=True)), key)
    if insert.where:
        pending = f"({insert.where.text}) AND {pending}"
    new = catalog.created_now(target)
    title = f"Copy rows of {source.name} to {target.name} in batches"
    tag = f"{source.name.name}.to.{target.name.name}.{wanted.line}"
    down_map = DownMap.TOTAL if new else DownMap.NONE
    return Draft(
        change=Change(kind=operation.kind, summary=title, subject=target.name, down_map=down_map),
        steps=(
            BackfillStep(
                id=f"backfill.{tag}",
                stage=Stage.BACKFILLED,
                title=title,
                table=source.name,
                pending=pending,
                copy=CopyRows(
                    into=target.name, columns=columns, values=tuple(each.value.text for each in values)
                ),
            ),
            proof_of_rows(
                source,
                id=f"verify.{tag}",
                title=f"Prove that every row of {source.name} is in {target.name}",
                mismatch=pending,
            ),
        ),
        warnings=tuple(_warnings(insert, source, target, key, new=new)),
    )


def _warnings(
    insert: PlainInsert, source: Table, target: Table, key: Sequence[str], *, new: bool
) -> Iterator[str]:
    if not new:
        yield (
            f"The rows copied into {target.name} stay after a revert: once they are there, nobody can tell "
            "them from others."
        )
    yield (
        f"Rows of {source.name} that are changed or deleted after they were copied are not brought over: "
        "that needs a trigger, or an application that writes both."
    )
    if not insert.ignores_conflicts:
        yield (
            f"A row whose {', '.join(key)} is in {target.name} already is left alone, where the migration "
            "alone would have failed."
        )
    if insert.ordered:
        yield "The order of the rows (ORDER BY) is not kept: batches follow the pages of the table."


def _pairs(insert: PlainInsert, source: Table, target: Table) -> tuple[tuple[str, ...], tuple[Item, ...]]:
    """The columns of the target, and the value of each."""
    items: list[Item] = []
    for item in insert.items:
        if item is not None:
            items.append(item)
            continue
        _refuse_incomplete(source)
        for column in source.columns:
            text = quote_identifier(column.name)
            items.append(Item(value=Expression(text=text, columns=(column.name,)), simple=True))
    columns = insert.columns
    if not columns:
        _refuse_incomplete(target)
        columns = tuple(column.name for column in target.columns)[: len(items)]
    if len(columns) != len(items):
        raise PlanError(
            f"the INSERT into {target.name} names {len(columns)} columns and selects {len(items)} values"
        )
    return columns, tuple(items)


def _refuse_incomplete(table: Table) -> None:
    if not table.columns_complete:
        raise PlanError(
            f"the columns of {table.name} are not all known",
            advice="Give the live database with --database, or its schema with --schema FILE.sql.",
        )


def _refuse_unknown(values: Sequence[Item], where: Expression | None, catalog: Catalog) -> None:
    """A function that nobody knows may be an aggregate, or give several rows."""
    for expression in (*(each.value for each in values), *((where,) if where else ())):
        found = [each for name in expression.functions for each in catalog.functions_named(_name(name))]
        aggregates = [str(each.name) for each in found if each.kind != "function"]
        if aggregates:
            raise PlanError(f"{aggregates[0]} makes one value of several rows", advice=_ADVICE)
    if where and volatility_of(where, catalog).volatile:
        raise PlanError(f"which rows are meant is another question every time: {where.text}", advice=_ADVICE)


def _name(function: str) -> Name:
    schema, _, bare = function.rpartition(".")
    return Name(bare, schema or None)


def _key(target: Table, columns: Sequence[str], values: Sequence[Item], catalog: Catalog) -> tuple[str, ...]:
    """The columns of a unique key of the target that every copy has, with values that are always the same."""
    given = dict(zip(columns, values, strict=True))
    for key in _unique_keys(target):
        if all(name in given and _is_steady(given[name], catalog) for name in key):
            return key
    raise PlanError(
        f"it cannot be told of a row whether it was copied to {target.name}: no unique key of it, without "
        "NULLs, is filled by the INSERT with values of the row",
        advice="Give it a primary key or a unique constraint on columns that are copied, in a migration "
        "before this one.",
    )


def _unique_keys(table: Table) -> Iterator[tuple[str, ...]]:
    required = {column.name for column in table.columns if column.not_null}
    for constraint in table.constraints:
        if constraint.kind is ConstraintKind.PRIMARY_KEY:
            yield constraint.columns
    for constraint in table.constraints:
        if constraint.kind is ConstraintKind.UNIQUE and required.issuperset(constraint.columns):
            yield constraint.columns
    for index in table.indexes:
        whole = index.unique and index.valid and index.where is None and index.keys
        if whole and required.issuperset(index.keys):  # an expression has no name there
            yield index.keys


def _is_steady(item: Item, catalog: Catalog) -> bool:
    return item.simple and rows.is_steady(item.value, catalog) and not item.value.is_null_constant


def _missing(source: Table, target: Table, given: dict[str, Item], key: Sequence[str]) -> str:
    """No row of the target has the key that this row's copy has."""
    row, names = quote_identifier(source.name.name), [column.name for column in source.columns]
    plain = {name: given[name].value.columns[0] for name in key if _is_column(given[name], row, names)}
    if len(plain) == len(key):
        same = " AND ".join(
            f"{_COPY}.{quote_identifier(name)} = {row}.{quote_identifier(plain[name])}" for name in key
        )
        return f"NOT EXISTS (SELECT FROM {target.name.sql} AS {_COPY} WHERE {same})"
    # In a subquery of its own, so that a name without a table is never taken for a column of the target.
    values = ", ".join(given[name].value.text for name in key)
    numbered = [f"key_{number}" for number in range(1, len(key) + 1)]
    same = " AND ".join(
        f"{_COPY}.{quote_identifier(name)} = {_ROW}.{each}" for name, each in zip(key, numbered, strict=True)
    )
    return (
        f"NOT EXISTS (SELECT FROM (SELECT {values}) AS {_ROW} ({', '.join(numbered)}) "
        f"JOIN {target.name.sql} AS {_COPY} ON {same})"
    )


def _is_column(item: Item, row: str, names: Sequence[str]) -> bool:
    """Whether the value is a column of the row and nothing else."""
    value = item.value
    if len(value.columns) != 1 or value.functions or value.columns[0] not in names:
        return False
    column = value.columns[0]
    return value.text.lower() in {column, quote_identifier(column), f"{row}.{column}".lower()}
