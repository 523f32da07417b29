"""Rows of the queries in live.sql as parts of a catalog."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from migsafe.catalog.model import (
    Column,
    ColumnExtras,
    Constraint,
    Counting,
    Dependent,
    Domain,
    Function,
    Grant,
    Index,
    Table,
    Trigger,
    TypeKind,
    UserType,
    View,
    Volatility,
)
from migsafe.catalog.model import Sequence as SequenceOf
from migsafe.sql.definitions import ConstraintKind, Generated, TypeName
from migsafe.sql.names import Name
from migsafe.sql.types import parse_type

Row = Mapping[str, Any]
Parts = Mapping[str, Sequence[Row]]
Owned = Mapping[tuple[Name, str], Sequence[Name]]

_KINDS = {
    "c": ConstraintKind.CHECK,
    "f": ConstraintKind.FOREIGN_KEY,
    "n": ConstraintKind.NOT_NULL,
    "p": ConstraintKind.PRIMARY_KEY,
    "u": ConstraintKind.UNIQUE,
    "x": ConstraintKind.EXCLUDE,
}
_TYPE_KINDS = {"e": TypeKind.ENUM, "c": TypeKind.COMPOSITE, "r": TypeKind.RANGE, "b": TypeKind.BASE}
_VOLATILITIES = {"i": Volatility.IMMUTABLE, "s": Volatility.STABLE, "v": Volatility.VOLATILE}
_ROUTINES = {"f": "function", "p": "procedure", "a": "aggregate", "w": "window"}


def table(row: Row, parts: Parts, owned: Owned, sizes: Mapping[int, int]) -> Table:
    """A table with all its parts."""
    name = Name(row["name"], row["schema"])
    constraints = tuple(_constraint(part) for part in parts["constraints"])
    not_nulls = tuple(each for each in constraints if each.kind is ConstraintKind.NOT_NULL)
    unproven = {column for each in not_nulls if not each.validated for column in each.columns}
    parents = tuple(Name(part["name"], part["schema"]) for part in parts["parents"])
    is_partition = row["is_partition"]
    return Table(
        name=name,
        columns=tuple(
            column(part, owned.get((name, part["name"]), ()), unproven) for part in parts["columns"]
        ),
        constraints=tuple(each for each in constraints if each.kind is not ConstraintKind.NOT_NULL),
        not_nulls=not_nulls,
        indexes=tuple(_index(part) for part in parts["indexes"]),
        triggers=tuple(_trigger(part) for part in parts["triggers"]),
        dependents=tuple(_dependent(part) for part in parts["dependents"]),
        referenced_by=tuple(Name(part["name"], part["schema"]) for part in parts["references"]),
        temporary=row["persistence"] == "t",
        unlogged=row["persistence"] == "u",
        partitioned=row["partitioned"],
        foreign=row["foreign"],
        partition_of=parents[0] if is_partition and parents else None,
        inherits=() if is_partition else parents,
        partition_key=row["partition_key"],
        partition_bound=row["partition_bound"],
        default_partition=row["partition_bound"] == "DEFAULT",
        detaching=any(part["detaching"] for part in parts["parents"]),
        row_estimate=row["row_estimate"],
        size_bytes=sizes.get(row["oid"], 0),
        policies=tuple(row["policies"]),
        rules=tuple(row["rules"]),
        row_security=row["row_security"],
        of_type=Name(row["of_name"], row["of_schema"]) if row["of_name"] else None,
        access_method=row["access_method"],
        tablespace=row["tablespace"],
        owner=row["owner"],
        grants=tuple(_grant(part) for part in parts["grants"]),
        force_row_security=row["force_row_security"],
        replica_identity=row["replica_identity"],
        publications=tuple(row["publications"]),
    )


def _grant(row: Row) -> Grant:
    return Grant(
        privilege=row["privilege"],
        grantee=row["grantee"],
        columns=tuple(row["columns"]),
        grantable=row["grantable"],
    )


def view(row: Row, parts: Parts, sizes: Mapping[int, int]) -> View:
    """A view or materialized view."""
    return View(
        name=Name(row["name"], row["schema"]),
        materialized=row["materialized"],
        columns=tuple(row["columns"]),
        reads=tuple(sorted(Name(part["name"], part["schema"]) for part in parts["reads"])),
        uses=frozenset(
            (Name(part["name"], part["schema"]), column)
            for part in parts["reads"]
            for column in part["columns"]
        ),
        indexes=tuple(_index(part) for part in parts["indexes"]),
        triggers=tuple(_trigger(part) for part in parts["triggers"]),
        temporary=row["temporary"],
        row_estimate=row["row_estimate"],
        size_bytes=sizes.get(row["oid"]),
        definition=row["definition"].strip().removesuffix(";"),
        options=tuple(row["options"]),
        adorned=tuple(part["statement"] for part in parts["adorned"]),
    )


def column(row: Row, sequences: Sequence[Name], unproven: set[str]) -> Column:
    """A column of a table or an attribute of a composite type."""
    generated = {"s": Generated.STORED, "v": Generated.VIRTUAL}.get(row["generated"])
    default = None if generated else row["expression"]
    return Column(
        name=row["name"],
        type=_type(row["type"]),
        not_null=row["not_null"] and row["name"] not in unproven,
        default=default,
        generated=Generated.IDENTITY if row["identity"] else generated,
        generated_as=row["expression"] if generated else None,
        is_serial=bool(sequences) and not row["identity"] and default is not None,
        collation=row["collation"],
        sequences=tuple(sequences),
        local=row["is_local"],
        extras=ColumnExtras(
            collation=row["exact_collation"],
            identity_always=row["identity_always"],
            comment=row["comment"],
            grants=tuple(row["grants"]),
            settings=tuple(row["settings"]),
            storage=tuple(row["storage"]),
        ),
    )


def sequence(row: Row, owners: Mapping[int, Name]) -> SequenceOf:
    """A sequence, with the column that owns it."""
    owner = owners.get(row["owner"]) if row["owner"] else None
    return SequenceOf(
        name=Name(row["name"], row["schema"]),
        type=_type(row["type"]),
        owner=(owner, row["column"]) if owner else None,
        identity=bool(row["identity"]),
        temporary=row["temporary"],
        counting=Counting(
            start=row["start"],
            increment=row["increment"],
            least=row["least"],
            most=row["most"],
            cache=row["cache"],
            cycles=row["cycles"],
            grants=tuple(row["grants"]),
        ),
    )


def user_type(row: Row, columns: Mapping[int, Sequence[Row]]) -> UserType:
    """A type that is no domain."""
    attributes = columns.get(row["oid"], ()) if row["kind"] == "c" else ()
    return UserType(
        name=Name(row["name"], row["schema"]),
        kind=_TYPE_KINDS[row["kind"]],
        labels=tuple(row["labels"]),
        attributes=tuple(column(part, (), set()) for part in attributes),
    )


def domain(row: Row, constraints: Mapping[int, Sequence[Row]]) -> Domain:
    """A domain."""
    return Domain(
        name=Name(row["name"], row["schema"]),
        base=_type(row["base"]),
        not_null=row["not_null"],
        default=row["expression"],
        constraints=tuple(_constraint(part) for part in constraints.get(row["oid"], ())),
    )


def function(row: Row) -> Function:
    """One overload of a function."""
    return Function(
        name=Name(row["name"], row["schema"]),
        arguments=tuple(_type(each) for each in row["arguments"]),
        volatility=_VOLATILITIES[row["volatility"]],
        kind=_ROUTINES[row["kind"]],
        returns=_type(row["returns"]) if row["returns"] else None,
        language=row["language"],
        definition=row["definition"].rstrip(),
        adorned=tuple(row["adorned"]),
    )


@lru_cache(maxsize=4096)  # ten thousand tables have a few dozen types
def _type(text: str) -> TypeName:
    return parse_type(text) or TypeName(name=text)


def _constraint(row: Row) -> Constraint:
    referenced = row["referenced_name"]
    return Constraint(
        name=row["name"],
        kind=_KINDS[row["kind"]],
        columns=tuple(row["columns"]),
        definition=row["definition"],
        validated=row["validated"] and row["enforced"],
        enforced=row["enforced"],
        references=Name(referenced, row["referenced_schema"]) if referenced else None,
        referenced_columns=tuple(row["referenced_columns"]),
        index=row["index"],
        referenced_index=row.get("referenced_index"),
        inherited=row["inherited"],
        no_inherit=row["no_inherit"] and row["kind"] in {"c", "n"},
        parent=row["parent"],
        comment=row.get("comment"),
    )


def _index(row: Row) -> Index:
    parent = row["parent_name"]
    return Index(
        name=row["name"],
        columns=tuple(row["columns"]),
        unique=row["is_unique"],
        valid=row["valid"],
        definition=row["definition"],
        keys=tuple(row["keys"]),
        method=row["method"],
        where=row["predicate"],
        parent=Name(parent, row["parent_schema"]) if parent else None,
        identifies=row["identifies"],
        clustered=row["clustered"],
        tablespace=row["tablespace"],
        comment=row["comment"],
    )


def _dependent(row: Row) -> Dependent:
    on, name = row["on_name"], row["name"]
    return Dependent(
        column=row["column"],
        description=row["description"],
        kind=row["kind"],
        name=Name(name, row["on_schema"]) if name else None,
        table=Name(on, row["on_schema"]) if on else None,
        definition=row["definition"],
    )


def _trigger(row: Row) -> Trigger:
    return Trigger(
        name=row["name"],
        before_row=row["before_row"],
        definition=row["definition"],
        function=Name(row["function_name"], row["function_schema"]),
        row=row["is_row"],
        enabled=row["enabled"],
    )
