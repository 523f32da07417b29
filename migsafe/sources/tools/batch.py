"""Tools that send a whole file to the server in one message: golang-migrate and Prisma.

PostgreSQL runs several statements of one message as one transaction, and a single one as it is.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
golang-migrate sends its files that way unless `x-multi-statement` is set:
https://github.com/golang-migrate/migrate/tree/master/database/postgres#multi-statement-mode
Prisma does too; since 7.4 it sends a script with CREATE INDEX CONCURRENTLY statement by statement, if it
could read all of it: https://github.com/prisma/prisma-engines/pull/5767
"""

import re

from migsafe.sources.tools.marked import Marked

_BEGIN = re.compile(r"(?:BEGIN|START\s+TRANSACTION)\b", re.IGNORECASE)
_END = re.compile(r"(?:COMMIT|END|ROLLBACK|ABORT)\b(?!.*\bTO\b)", re.IGNORECASE | re.DOTALL)


def mark(text: str) -> Marked:
    """The file, in a transaction if it has several statements, and no BEGIN and COMMIT around them.

    A BEGIN at the start of the message makes the transaction its own, which its COMMIT may end; what stands
    behind that COMMIT is in one again.
    """
    return Marked(text=text, in_transaction=is_transaction(text))


def is_transaction(text: str) -> bool:
    """Whether PostgreSQL makes a transaction of this text when it comes as one message."""
    from migsafe.sql.split import split  # noqa: PLC0415 -- seldom needed, and slow to import

    said = [statement.text for statement in split(text).statements]
    return len(said) > 1 and not _is_one_block(said)


def _is_one_block(said: list[str]) -> bool:
    ends = [place for place, statement in enumerate(said) if _END.match(statement)]
    return bool(said) and bool(_BEGIN.match(said[0])) and ends == [len(said) - 1]
