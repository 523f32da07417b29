"""A table made anew by a script that migsafe writes: a copy in another form takes the table's place.

That is the way for all that PostgreSQL can only do to a table by writing it anew, or by building something
while nobody writes. To a table that is still empty it does the same in an instant.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from migsafe.catalog.model import Catalog, Table
from migsafe.catalog.replay import apply
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import Conversion
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import read_migration
from migsafe.plan.recipes.objects import parts
from migsafe.plan.recipes.tables.copied_table import copied
from migsafe.plan.recipes.tables.copy_script import read_copy_script
from migsafe.plan.replace.replacement import Helpers
from migsafe.plan.sync.pair import bounded
from migsafe.sql.names import Name, quote_identifier, quote_literal
from migsafe.sql.operations import Generated


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What is another about the new table.

    `alterations` are actions of ALTER TABLE for the copy while it is empty, in order; `comments` are the
    comments of columns. `ending` is what follows the list of columns.
    """

    tag: str
    kind: str
    summary: str
    unlogged: bool
    ending: str = ""
    alterations: tuple[str, ...] = ()
    comments: tuple[tuple[str, str], ...] = ()
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    helpers: Helpers = field(default_factory=Helpers)


def form_like(table: Table, *, tag: str, kind: str, summary: str) -> Form:
    """The form that the table has now."""
    method = f" USING {table.access_method}" if table.access_method else ""
    place = f" TABLESPACE {table.tablespace}" if table.tablespace else ""
    return Form(tag=tag, kind=kind, summary=summary, unlogged=table.unlogged, ending=method + place)


def made_anew(table: Table, form: Form, scene: Scene) -> Draft:
    """The rollout in which the table makes way for a copy in this form.

    Raises:
        PlanError: Something on the table could not follow.
    """
    if table.partitioned or table.parents:
        raise PlanError(
            f"{table.name} is partitioned, a partition or has a parent, so that no copy of it alone can take "
            "its place",
            advice="Make a new partitioned table by a script (CREATE TABLE, INSERT ... SELECT, RENAME): that "
            "has a plan.",
        )
    each = read_migration(";\n".join(_script(table, form, scene.catalog)))
    script = read_copy_script(each, scene.catalog)
    if script is None or script.length != len(each):
        raise PlanError(f"there is no recipe to make {table.name} anew for this: {form.summary}")
    draft = copied(script, scene, triggers_follow=True, conversions=form.conversions, helpers=form.helpers)
    return replace(draft, change=replace(draft.change, kind=form.kind, summary=form.summary))


def _script(table: Table, form: Form, catalog: Catalog) -> Iterator[str]:
    """What a person would write to do it by hand."""
    old = table.name
    new = Name(bounded("migsafe_new", old.name, form.tag), old.schema)
    create = "CREATE UNLOGGED TABLE" if form.unlogged else "CREATE TABLE"
    create += f" {new.sql} (LIKE {old.sql} INCLUDING ALL EXCLUDING INDEXES){form.ending}"
    yield create
    for action in form.alterations:
        yield f"ALTER TABLE {new.sql} {action}"
    for column, comment in form.comments:
        yield f"COMMENT ON COLUMN {new.sql}.{quote_identifier(column)} IS {quote_literal(comment)}"
    yield from _keys(table, new, form.tag)
    kept = [each.name for each in table.columns if each.generated in {None, Generated.IDENTITY}]
    columns = ", ".join(quote_identifier(each) for each in kept)
    yield f"INSERT INTO {new.sql} ({columns}) SELECT {columns} FROM {old.sql}"
    yield f"DROP TABLE {old.sql}"
    yield f"ALTER TABLE {new.sql} RENAME TO {quote_identifier(old.name)}"
    (first,) = read_migration(create)
    made = apply(catalog, first.operation).table(new) or table
    yield from _names(table, made, form.tag)


def _keys(old: Table, new: Name, tag: str) -> Iterator[str]:
    """The indexes and constraints of the old table, by names that are free while both are there."""
    behind = {constraint.index for constraint in old.constraints if constraint.index}
    for constraint in old.constraints:
        if constraint.references == old.name:
            raise PlanError(f"the foreign key {constraint.name} of {old.name} refers to {old.name} itself")
        if constraint.index or constraint.references:
            name = bounded("migsafe_new", constraint.name, tag) if constraint.index else constraint.name
            yield f"ALTER TABLE {new.sql} ADD CONSTRAINT {quote_identifier(name)} {constraint.definition}"
    for index in old.indexes:
        if index.name not in behind:
            _, _, tail = index.definition.partition(" USING ")
            if not tail:
                raise parts.inexact(f"index {index.name} of {old.name}")
            unique = "UNIQUE " if index.unique else ""
            name = quote_identifier(bounded("migsafe_new", index.name, tag))
            yield f"CREATE {unique}INDEX {name} ON {new.sql} USING {tail}"


def _names(old: Table, new: Table, tag: str) -> Iterator[str]:
    """The indexes and sequences of the copy get the names of those that are gone."""
    for index in old.indexes:
        copy = Name(bounded("migsafe_new", index.name, tag), new.name.schema)
        yield f"ALTER INDEX {copy.sql} RENAME TO {quote_identifier(index.name)}"
    for column in old.columns:
        copied_column = new.column(column.name)
        if column.generated is Generated.IDENTITY and copied_column and copied_column.sequences:
            name = quote_identifier(column.sequences[0].name)
            yield f"ALTER SEQUENCE {copied_column.sequences[0].sql} RENAME TO {name}"
