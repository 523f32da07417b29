"""SQL files without a tool that we know, and Diesel's pairs of up.sql and down.sql.

Diesel runs each migration in a transaction unless its metadata.toml says `run_in_transaction = false`.
https://docs.rs/diesel_migrations/latest/diesel_migrations/struct.TomlMetadata.html
Other runners have a comment at the top for that, which holds whoever runs the file: sqlx
`-- no-transaction` (https://docs.rs/sqlx/latest/sqlx/macro.migrate.html), postgres-migrations
`-- postgres-migrations disable-transaction` (https://www.npmjs.com/package/postgres-migrations). All of them
then send the file as one message, which is a transaction if it has several statements.
"""

import re
from pathlib import Path

from migsafe.sources.tools.batch import is_transaction
from migsafe.sources.tools.marked import Marked

_NO_TRANSACTION = re.compile(
    r"\A\ufeff?(?:\s*--[^\r\n]*[\r\n]+)*?\s*--[ \t]*"
    r"(?:no-transaction|postgres-migrations[ \t]+disable-transaction)\b"
)


def mark(text: str) -> Marked:
    """The file as it is; of its transaction is known what its comments say."""
    return Marked(text=text, in_transaction=is_transaction(text) if _NO_TRANSACTION.match(text) else None)


def mark_diesel(text: str, path: Path) -> Marked:
    """The file as it is, in a transaction unless the migration's metadata says otherwise."""
    import tomllib  # noqa: PLC0415 -- seldom needed, and slow to import

    try:
        metadata = tomllib.loads((path.parent / "metadata.toml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        metadata = {}
    opted_out = metadata.get("run_in_transaction") is False
    return Marked(text=text, in_transaction=is_transaction(text) if opted_out else True)
