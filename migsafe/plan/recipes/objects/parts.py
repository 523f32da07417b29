"""What the recipes for indexes, constraints, views, types and functions share."""

from migsafe.catalog.model import Catalog, Index
from migsafe.errors import PlanError
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.definitions import TypeName
from migsafe.sql.names import Name, quote_identifier, quote_literal

# Something goes away that the old version may need: it stays until that version is gone.
LEAVING = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.EXPANDED, last=Stage.DROPPED),
)
# Less is asked of what is written, at once: both versions work with that.
LOOSENED = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.DROPPED),
    green=Window(first=Stage.EXPANDED, last=Stage.DROPPED),
)


def tombstone(name: Name, kind: str) -> Name:
    """The name under which something waits to be dropped."""
    return Name(bounded("migsafe_tomb", name.name, make_tag(kind, str(name))), name.schema)


def working(name: Name, kind: str) -> Name:
    """The name of something that is made ready before it takes this name."""
    return Name(bounded("migsafe_new", name.name, make_tag(kind, str(name))), name.schema)


def renamed(kind: str, old: Name, new: Name) -> str:
    """ALTER ... RENAME TO; `kind` is what stands behind ALTER."""
    return f"ALTER {kind} {old.sql} RENAME TO {quote_identifier(new.name)}"


def type_sql(written: TypeName) -> str:
    """A type by its name, for SQL: a user's own is quoted."""
    if written.schema is None:
        return str(written)
    return Name(written.name, written.schema).sql + "[]" * written.array_dimensions


def is_gone(relation: Name) -> str:
    """The condition that holds when there is no such table, view or index."""
    text = quote_literal(relation.sql)
    return f"to_regclass({text}) IS NULL"


def concurrently(index: Index, what: str) -> str:
    """CREATE INDEX CONCURRENTLY for an index that is there.

    Raises:
        PlanError: Its exact definition is not known.
    """
    make, _, rest = index.definition.partition(" INDEX ")
    if not rest:
        raise inexact(what)
    return f"{make} INDEX CONCURRENTLY {rest}"


def inexact(what: str) -> PlanError:
    """The error when something cannot be made again as it was."""
    return PlanError(
        f"the exact definition of {what} is not known",
        advice="Give the live database with --database, so that nothing about it is guessed.",
    )


def refuse_unknown(what: str, catalog: Catalog, *, if_exists: bool) -> PlanError:
    """The error when something that should be dropped or changed is not known."""
    if if_exists and catalog.complete:
        return PlanError(f"there is no {what}", advice="Leave the statement out: it would do nothing.")
    return PlanError(
        f"{what} is not known",
        advice="Give the live database with --database URL, or its schema with --schema FILE.sql.",
    )
