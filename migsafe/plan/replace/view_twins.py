"""Materialized views that read a column which makes way, and the views around them: twins on the new column.

A materialized view cannot be filled in the instant of the exchange. So twins of all the views are made ready
before: empty, in one short transaction in which the new column has the old one's name and the twins the names
of the views, so that their texts say what they are to read. Nobody else sees that. They are filled while
everybody goes on, and in the exchange they take the names.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Index, View
from migsafe.plan.gentle import strong
from migsafe.plan.model import DdlStep
from migsafe.plan.replace.carry import inexact
from migsafe.plan.replace.exchange import Exchange, rename_column
from migsafe.plan.replace.replacement import Replacement
from migsafe.plan.replace.views import create_view
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name, quote_identifier, quote_literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTwins:
    """The views of one replacement that get twins, each after those that it reads."""

    change: Replacement
    views: tuple[View, ...] = ()

    def ready(self) -> Iterator[DdlStep]:
        """Before the exchange: the twins, made and filled."""
        if not self.views:
            return
        table, old, new = self.change.name, self.change.old.name, self.change.working
        grave = self.change.tombstone
        yield DdlStep(
            id="verify.views.make",
            stage=Stage.VERIFIED,
            title=f"Make the views that read {old} a second time, empty, on {new}",
            sql=(
                *(_renamed(view, view.name, self._grave(view.name)) for view in reversed(self.views)),
                rename_column(table, old, grave),
                rename_column(table, new, old),
                *(sql for view in self.views for sql in self._made(view)),
                *(_renamed(view, view.name, self._spare(view.name)) for view in self.views),
                *(_renamed(view, self._grave(view.name), view.name) for view in self.views),
                rename_column(table, old, new),
                rename_column(table, grave, old),
            ),
            undo=tuple(
                f"DROP {_kind(view)} IF EXISTS {self._spare(view.name).sql}" for view in reversed(self.views)
            ),
            locks=strong(table, *(view.name for view in self.views)),
        )
        filled = [view for view in self.views if view.materialized]
        yield DdlStep(
            id="verify.views.fill",
            stage=Stage.VERIFIED,
            title=f"Fill {', '.join(view.name.name for view in filled)} a second time; everybody goes on",
            sql=tuple(
                f"{verb} {self._spare(view.name).sql}"
                for view in filled
                for verb in ("REFRESH MATERIALIZED VIEW", "ANALYZE")
            ),
            undo=tuple(
                f"REFRESH MATERIALIZED VIEW CONCURRENTLY {view.name.sql}"
                for view in filled
                if _can_be_refreshed(view)
            ),
            undo_apart=True,
            patient=True,
        )

    def exchange(self) -> Exchange:
        """The twins take the names; going back, the views take them again."""
        there: list[str] = []
        back: list[str] = []
        for view in reversed(self.views):
            there.append(_renamed(view, view.name, self._grave(view.name)))
            back.append(_renamed(view, view.name, self._spare(view.name)))
        for view in self.views:
            there.append(_renamed(view, self._spare(view.name), view.name))
            back.append(_renamed(view, self._grave(view.name), view.name))
            for index in view.indexes:
                name = Name(index.name, view.name.schema)
                there += [_index(name, self._grave(name)), _index(self._spare(name), name)]
                back += [_index(name, self._spare(name)), _index(self._grave(name), name)]
        return Exchange(
            before=tuple(there), undo_before=tuple(back), locks=tuple(view.name for view in self.views)
        )

    def end(self) -> Iterator[DdlStep]:
        """The views that still read the old column go before it does."""
        if not self.views:
            return
        graves = [self._grave(view.name) for view in self.views]
        yield DdlStep(
            id="contract.views",
            stage=Stage.DROPPED,
            title=f"Drop the views that read {self.change.tombstone}",
            sql=tuple(f"DROP {_kind(view)} {self._grave(view.name).sql}" for view in reversed(self.views)),
            locks=strong(*graves),
        )

    def warnings(self) -> Iterator[str]:
        """What a person must know of them."""
        for view in self.views:
            if view.materialized:
                back = "" if _can_be_refreshed(view) else " Going back, it holds what it held before."
                yield (
                    f"{view.name} is filled anew before the exchange: what a REFRESH brings in between is "
                    f"not in it, until the next one. The disk holds it twice meanwhile.{back}"
                )

    def _made(self, view: View) -> Iterator[str]:
        made = create_view(view, replace=False)
        if view.materialized:
            made = f"CREATE MATERIALIZED {made.removeprefix('CREATE ')} WITH NO DATA"
        yield made
        for index in view.indexes:
            yield from self._built(view, index)
        yield from view.adorned

    def _built(self, view: View, index: Index) -> Iterator[str]:
        """The index on the twin, which is empty."""
        _, using, tail = index.definition.partition(" USING ")
        if not using:
            raise inexact(f"index {index.name} of {view.name}")
        name = self._spare(Name(index.name, view.name.schema))
        unique = "UNIQUE " if index.unique else ""
        yield f"CREATE {unique}INDEX {quote_identifier(name.name)} ON {view.name.sql} USING {tail}"
        if index.clustered:
            yield f"ALTER MATERIALIZED VIEW {view.name.sql} CLUSTER ON {quote_identifier(name.name)}"
        if index.comment is not None:
            yield f"COMMENT ON INDEX {name.sql} IS {quote_literal(index.comment)}"

    def _spare(self, name: Name) -> Name:
        return Name(self.change.spare(name.name), name.schema)

    def _grave(self, name: Name) -> Name:
        return Name(self.change.grave(name.name), name.schema)


def _can_be_refreshed(view: View) -> bool:
    """Whether REFRESH CONCURRENTLY is possible."""
    return any(each.unique and each.valid and each.where is None and all(each.keys) for each in view.indexes)


def _kind(view: View) -> str:
    return "MATERIALIZED VIEW" if view.materialized else "VIEW"


def _renamed(view: View, old: Name, new: Name) -> str:
    return f"ALTER {_kind(view)} {old.sql} RENAME TO {quote_identifier(new.name)}"


def _index(old: Name, new: Name) -> str:
    return f"ALTER INDEX {old.sql} RENAME TO {quote_identifier(new.name)}"
