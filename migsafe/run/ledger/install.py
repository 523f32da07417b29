"""Creates the ledger, or brings an older one up to date."""

from collections.abc import Sequence
from importlib.resources import files

from psycopg import errors

from migsafe.errors import LedgerMismatch, RunError
from migsafe.run.connect import Conn, brief

# One number for all who install at the same time; any constant of our own would do.
_INSTALL_LOCK = 0x6D69_6773_6166_65


def scripts() -> tuple[bytes, ...]:
    """The SQL that makes version 1, 2, ... of the ledger, each from the one before."""
    folder = files("migsafe.run.ledger")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple(folder.joinpath(name).read_bytes() for name in names)


def version(conn: Conn) -> int:
    """The version of the ledger that is installed; 0 when there is none.

    Raises:
        LedgerMismatch: There is a schema of this name that is not a ledger.
    """
    # The catalog itself, not to_regclass(): that may answer from a cache filled before we held the lock.
    names = conn.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'migsafe'"
    ).fetchall()
    if not names:
        return 0  # perhaps an administrator made the schema, for a role that may not create one
    if ("meta",) not in names:
        raise LedgerMismatch(
            "the schema 'migsafe' of this database is not a ledger of ours",
            advice="Rename it; migsafe keeps its own tables under that name.",
        )
    found = conn.execute("SELECT version FROM migsafe.meta").fetchone()
    return int(found[0]) if found else 0


def require_current(conn: Conn, wanted: int | None = None) -> None:
    """Check that the installed ledger can be read by this version of migsafe.

    Raises:
        LedgerMismatch: It is newer than this program.
    """
    wanted = len(scripts()) if wanted is None else wanted
    found = version(conn)
    if found > wanted:
        raise LedgerMismatch(
            f"the ledger in this database has version {found}, made by a newer migsafe; "
            f"this one knows versions up to {wanted}",
            advice="Use the migsafe that made it, or a later one. Nothing was changed.",
        )


def install(conn: Conn, steps: Sequence[bytes] | None = None) -> None:
    """Make the ledger current, each version in a transaction. Doing it twice, or at once, does no harm.

    Raises:
        LedgerMismatch: It is newer than this program, or the schema belongs to somebody else.
        RunError: The role may not create it.
    """
    steps = scripts() if steps is None else steps
    require_current(conn, len(steps))
    try:
        while version(conn) < len(steps):
            with brief(conn):
                conn.execute("SELECT pg_advisory_xact_lock(%s)", (_INSTALL_LOCK,))
                _upgrade_once(conn, steps)
    except errors.InsufficientPrivilege as error:
        raise RunError(
            f"this role may not create or change the ledger: {error.diag.message_primary}",
            advice="As an administrator: CREATE SCHEMA migsafe AUTHORIZATION <this role>; then run it again.",
        ) from error


def _upgrade_once(conn: Conn, steps: Sequence[bytes]) -> None:
    """To the next version, unless somebody else was faster."""
    require_current(conn, len(steps))
    found = version(conn)
    if conn.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'migsafe'").fetchone() is None:
        conn.execute("CREATE SCHEMA migsafe")
    if found < len(steps):
        conn.execute(steps[found])
        conn.execute(
            "INSERT INTO migsafe.meta (version) VALUES (%s) "
            "ON CONFLICT (only_row) DO UPDATE SET version = excluded.version, changed_at = clock_timestamp()",
            (found + 1,),
        )
