"""How fast a backfill may go: what the server and its replicas say, limits, and the pause that follows."""
