"""Compares a replayed catalog with a live one: everything that both can know."""

from collections.abc import Mapping
from typing import TypeVar

from migsafe.catalog.model import Catalog, Column, Domain, Index, Table, View
from migsafe.sql.definitions import TypeName
from migsafe.sql.names import Name

V = TypeVar("V")


def differences(replayed: Catalog, live: Catalog, *, names_of_not_null: bool = True) -> list[str]:
    """What the two say differently, one sentence each."""
    version = live.server_version or 0
    named = names_of_not_null and version >= 180000
    found: list[str] = []

    def compare(kind: str, ours: Mapping[Name, object], theirs: Mapping[Name, object]) -> None:
        for name in sorted({*ours, *theirs}, key=str):
            mine, true = ours.get(name), theirs.get(name)
            if mine is None or true is None:
                found.append(f"{kind} {name}: replayed {mine!r}, live {true!r}")
            elif isinstance(mine, dict) and isinstance(true, dict):
                found.extend(
                    f"{kind} {name}, {key}: {_apart(mine[key], true[key])}"
                    for key in mine
                    if mine[key] != true[key]
                )
            elif mine != true:
                found.append(f"{kind} {name}: replayed {mine!r}, live {true!r}")

    own = replayed.tables
    loose = {name for name, table in own.items() if not table.columns_complete}
    compare(
        "table",
        {n: _table(t, named=named) if n not in loose else "incomplete" for n, t in own.items()},
        {n: _table(t, named=named) if n not in loose else "incomplete" for n, t in live.tables.items()},
    )
    unsure = {name for name, view in replayed.views.items() if view.assumed}
    compare(
        "view",
        {n: _view(v, v) for n, v in replayed.views.items() if n not in unsure},
        {n: _view(v, replayed.views.get(n, v)) for n, v in live.views.items() if n not in unsure},
    )
    compare(
        "sequence",
        {n: (s.type, s.owner, s.identity) for n, s in replayed.sequences.items()},
        {n: (s.type, s.owner, s.identity) for n, s in live.sequences.items()},
    )
    compare(
        "type",
        {n: (t.kind, t.labels, _attributes(t.attributes)) for n, t in replayed.types.items()},
        {n: (t.kind, t.labels, _attributes(t.attributes)) for n, t in live.types.items()},
    )
    compare(
        "domain",
        {n: _domain(d) for n, d in replayed.domains.items()},
        {n: _domain(d) for n, d in live.domains.items()},
    )
    compare(
        "function",
        {n: {(f.arguments, f.volatility, f.kind) for f in fs} for n, fs in replayed.functions.items()},
        {n: {(f.arguments, f.volatility, f.kind) for f in fs} for n, fs in live.functions.items()},
    )
    if replayed.schemas != live.schemas:
        found.append(f"schemas: replayed {sorted(replayed.schemas)}, live {sorted(live.schemas)}")
    return found


def _apart(mine: object, true: object) -> str:
    if isinstance(mine, set) and isinstance(true, set):
        mine, true = mine - true, true - mine
    return f"replayed {mine!r}, live {true!r}"


def _domain(domain: Domain) -> object:
    constraints = {(c.name, c.kind, c.validated) for c in domain.constraints}
    return (domain.base, domain.not_null, domain.default is not None, frozenset(constraints))


def _attributes(columns: tuple[Column, ...]) -> tuple[tuple[str, TypeName], ...]:
    return tuple((column.name, column.type) for column in columns)


def _view(view: View, replayed: View) -> dict[str, object]:
    return {
        "materialized": view.materialized,
        "reads": view.reads,
        "temporary": view.temporary,
        "indexes": _indexes(view.indexes),
        "triggers": {(t.name, t.before_row, t.function) for t in view.triggers},
        "columns": view.columns if replayed.columns_complete else None,
    }


def _indexes(indexes: tuple[Index, ...]) -> object:
    return {
        (
            i.name,
            frozenset(i.columns),
            i.unique,
            i.valid,
            i.method,
            i.where is not None,
            i.parent,
        )
        for i in indexes
    }


def _table(table: Table, *, named: bool) -> dict[str, object]:
    return {
        "columns": {
            (
                c.name,
                c.type,
                c.not_null,
                c.default is not None,
                c.generated,
                c.generated_as is not None,
                c.is_serial,
                c.collation,
                frozenset(c.sequences),
                c.local,
            )
            for c in table.columns
        },
        "constraints": {
            (
                c.name,
                c.kind,
                frozenset(c.columns),
                c.validated,
                c.enforced,
                c.references,
                c.referenced_columns,
                c.index,
                c.inherited,
                c.no_inherit,
            )
            for c in table.constraints
        },
        "not null": {(c.name, c.columns, c.validated, c.inherited, c.no_inherit) for c in table.not_nulls}
        if named
        else set(),
        "indexes": _indexes(table.indexes),
        "triggers": {(t.name, t.before_row, t.function, t.row, t.enabled) for t in table.triggers},
        "referenced by": set(table.referenced_by),
        "parents": table.parents,
        "partition": (
            table.partition_of,
            table.default_partition,
            table.partitioned,
            table.partition_bound is not None,
            table.partition_key is not None,
        ),
        "kind": (table.temporary, table.unlogged, table.foreign, table.of_type),
        "security": (table.policies, table.rules, table.row_security),
    }
