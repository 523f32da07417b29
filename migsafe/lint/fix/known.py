"""What must be known of a table or an index before anything about it may be changed by a machine."""

from migsafe.catalog.find import relation_of_index
from migsafe.catalog.model import Catalog, Constraint, Index, Table, View
from migsafe.lint.fix.refused import Refused
from migsafe.lint.fix.scene import Scene
from migsafe.sql.names import MAX_IDENTIFIER_BYTES, Name, format_name

_GIVE_SCHEMA = "give its schema (--schema) or the migrations that make it"


def known_table(scene: Scene, name: Name) -> Table:
    """The table, which is an ordinary one that is known from its beginning.

    Raises:
        Refused: It is not known, or it is partitioned, foreign or temporary.
    """
    table = scene.catalog.table(name)
    if table is None or not table.columns_complete or table.assumed:
        if scene.catalog.table(name) is None and scene.catalog.view(name) is not None:
            raise Refused(f"{name} is a view")
        raise Refused(f"it is not known what {name} is: {_GIVE_SCHEMA}")
    if table.partitioned:
        raise Refused(f"{name} is partitioned: do it partition by partition")
    if table.foreign or table.temporary:
        raise Refused(f"{name} is not an ordinary table")
    return table


def known_columns(table: Table, columns: tuple[str, ...]) -> None:
    """All these columns are there before the statement.

    Raises:
        Refused: One of them is not known.
    """
    for column in columns:
        if table.column(column) is None:
            raise Refused(f"{table.name} has no column {column} that is known before this statement")


def known_index(scene: Scene, name: Name) -> tuple[Table | View, Index]:
    """The index and what it belongs to, when it is an ordinary one.

    Raises:
        Refused: It is not known, or it is part of something bigger.
    """
    found = relation_of_index(scene.catalog, name)
    if found is None or found[1].assumed:
        raise Refused(f"it is not known what index {name} is: {_GIVE_SCHEMA}")
    relation, index = found
    if isinstance(relation, Table):
        if not relation.columns_complete and not scene.catalog.complete:
            raise Refused(f"it is not known what {relation.name} is: {_GIVE_SCHEMA}")
        if relation.partitioned or index.parent:
            raise Refused(f"{name} is the index of a partitioned table")
        if relation.temporary:
            raise Refused(f"{relation.name} is temporary")
    return relation, index


def constraint_behind(relation: Table | View, index: Index) -> Constraint | None:
    """The constraint that an index is there for."""
    constraints = relation.constraints if isinstance(relation, Table) else ()
    return next((each for each in constraints if each.index == index.name), None)


def written(name: str) -> str:
    """A name as SQL writes it, quoted only where it must be."""
    return format_name(Name(name))


def made_name(catalog: Catalog, table: Table, *parts: str) -> str:
    """A name for something that is there for a short time only.

    Raises:
        Refused: The table has something of this name, or it would be cut.
    """
    name = "_".join((table.name.name, *parts))
    if len(name.encode()) > MAX_IDENTIFIER_BYTES:
        name = "_".join(parts)
    taken = Name(name, table.name.schema) in catalog.lookup.constraint_names
    if len(name.encode()) > MAX_IDENTIFIER_BYTES or taken or table.constraint(name):
        raise Refused(f"no name is free for a constraint that helps, such as {name}")
    return name
