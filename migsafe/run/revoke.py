"""Takes the right to act away from a runner that does not answer, in an emergency."""

from migsafe.run.connect import Conn, brief
from migsafe.run.ledger.rollouts import add_audit


def revoke(conn: Conn, rollout_id: int, *, reason: str) -> None:
    """End the lease of this rollout, whoever has it: from now on nothing more of the holder's is committed.

    A transaction that it has open may still end; taking the lease waits for that.
    """
    with brief(conn):
        conn.execute(
            "UPDATE migsafe.lease SET token = token + 1, holder = NULL, expires_at = clock_timestamp() "
            "WHERE rollout_id = %s",
            (rollout_id,),
        )
        add_audit(conn, rollout_id, "lease revoked", {"reason": reason})
