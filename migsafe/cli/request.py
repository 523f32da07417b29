"""What `lint`, `explain` and `verify` are asked about: the same options mean the same in all of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from migsafe.config.model import Flags, RuleLayer
from migsafe.config.read import load_config
from migsafe.config.words import Transaction
from migsafe.errors import UsageError
from migsafe.lint.request import LintRequest
from migsafe.sources.settings import Direction

if TYPE_CHECKING:
    from migsafe.catalog.model import Catalog


def read_request(
    *,
    paths: Sequence[str],
    schema: str = "",
    database: str = "",
    server_version: int | None = None,
    transaction: Transaction | None = None,
    diff: str = "",
    down: bool = False,
    stdin_filename: str = "",
    rules: RuleLayer | None = None,
    config: str = "",
    isolated: bool = False,
) -> LintRequest:
    """The request, with the configuration that holds here.

    The schema and, where the command line says nothing else, the version are those of the live `database`.

    Raises:
        UsageError: The configuration cannot be read, or two options contradict each other.
        ConnectionFailed: The database cannot be reached.
    """
    if schema and database:
        raise UsageError("--schema and --database both say what the schema is", advice="Give one of them.")
    settings = load_config(file=config, isolated=isolated)
    catalog: Catalog | None = None
    if database:
        catalog = _live_catalog(database)
        server_version = server_version or (catalog.server_version or 0) // 10_000 or None
    flags = Flags(server_version=server_version, transaction=transaction, rules=rules)
    return LintRequest(
        paths=tuple(paths),
        config=settings.with_flags(flags),
        schema=schema,
        catalog=catalog,
        diff=diff,
        direction=Direction.DOWN if down else Direction.UP,
        stdin_filename=stdin_filename,
    )


def _live_catalog(url: str) -> "Catalog":
    # Only who asks for a database waits for the driver to be loaded.
    from migsafe.catalog.live import read_catalog
    from migsafe.run.connect import connect

    with connect(url, only_reads=True) as connection:
        return read_catalog(connection)
