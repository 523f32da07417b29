"""Tools that send a whole file to the server in one message: golang-migrate and Prisma.

PostgreSQL runs several statements of one message as one transaction, and a single one as it is.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
golang-migrate sends its files that way unless `x-multi-statement` is set:
https://github.com/golang-migrate/migrate/tree/master/database/postgres#multi-statement-mode
Prisma does too; since 7.4 it sends a script with CREATE INDEX CONCURRENTLY statement by statement, if it
could read all of it: https://github.com/prisma/prisma-engines/pull/5767
"""

from migsafe.sources.tools.marked import Marked
from migsafe.sql.split import split


def mark(text: str) -> Marked:
    """The file, in a transaction if it has more than one statement."""
    return Marked(text=text, in_transaction=len(split(text).statements) > 1)
