"""What the types of a user are made of: domains are checked when a column of them comes, others are not."""

from collections.abc import Iterator
from dataclasses import replace

from migsafe.catalog.model import Catalog, Domain
from migsafe.effects.prediction import Prediction
from migsafe.sql.names import Name
from migsafe.sql.operations import TypeName
from migsafe.sql.types import is_built_in

# Types of widely used extensions: base types, never domains.
_EXTENSION_TYPES = frozenset(
    {"citext", "geography", "geometry", "halfvec", "hstore", "ltree", "sparsevec", "vector"}
)


def is_plain(written: TypeName) -> bool:
    """Whether a type is no domain on any server."""
    return written.name in _EXTENSION_TYPES or (written.schema is None and is_built_in(written))


def domains_behind(catalog: Catalog, written: TypeName) -> Iterator[Domain]:
    """The domain that a type is, the domain behind that one, and so on."""
    seen: set[Name] = set()
    while not written.array_dimensions:
        domain = catalog.domain(written)
        if domain is None or domain.name in seen:
            return
        yield domain
        seen.add(domain.name)
        written = domain.base


def is_constrained(prediction: Prediction, written: TypeName) -> bool | None:
    """Whether a type is a domain that demands something; None when that is not known.

    An array of a domain is no domain.
    """
    if written.array_dimensions or is_plain(written):
        return False
    catalog = prediction.catalog
    domains = list(domains_behind(catalog, written))
    if domains:
        return any(domain.constrained or domain.default is not None for domain in domains)
    return False if catalog.resolve_type(written) is not None else None


def base_type(catalog: Catalog, written: TypeName) -> TypeName:
    """The type that a domain is made of in the end; any other type is its own."""
    domains = list(domains_behind(catalog, written))
    return domains[-1].base if domains else written


def columns_of_domain(catalog: Catalog, domain: Name) -> tuple[Name, ...]:
    """The tables with a column of this domain, or of one made of it."""
    return tuple(
        table.name
        for table in catalog.tables.values()
        if any(_is_made_of(catalog, column.type, domain) for column in table.columns)
    )


def domains_made_of(catalog: Catalog, name: Name) -> tuple[Name, ...]:
    """The domains whose base is this type, directly or by way of others, or an array of it."""
    found: dict[Name, None] = {}
    waiting = [name]
    while waiting:
        base = waiting.pop()
        for domain in catalog.domains.values():
            below = catalog.resolve_type(replace(domain.base, array_dimensions=0))
            if domain.name not in found and below == base:
                found[domain.name] = None
                waiting.append(domain.name)
    return tuple(found)


def in_containers(catalog: Catalog, domain: Name) -> tuple[Name, ...]:
    """The tables with an array of this domain, or of one made of it: then nothing can be asked of it anew."""
    return tuple(
        table.name
        for table in catalog.tables.values()
        if any(
            column.type.array_dimensions
            and _is_made_of(catalog, replace(column.type, array_dimensions=0), domain)
            for column in table.columns
        )
    )


def _is_made_of(catalog: Catalog, written: TypeName, domain: Name) -> bool:
    return any(each.name == domain for each in domains_behind(catalog, written))
