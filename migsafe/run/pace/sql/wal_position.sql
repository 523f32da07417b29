-- Where the server's WAL is, in bytes. Everybody may know.
SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0')::float8
