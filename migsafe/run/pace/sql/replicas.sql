-- Where the server's WAL is, and each replica's replay, as bytes; the server's own idea of its lag in seconds.
-- Base backups are no replicas. Without the rights to see them, the columns of other sessions are null.
SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0')::float8,
       coalesce(nullif(r.application_name, ''), 'replica')
           || coalesce(' at ' || pg_catalog.host(r.client_addr), ''),
       pg_catalog.pg_wal_lsn_diff(coalesce(r.replay_lsn, r.flush_lsn, r.sent_lsn), '0/0')::float8,
       coalesce(extract(epoch FROM r.replay_lag), 0)::float8,
       NOT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
FROM (SELECT) AS server
LEFT JOIN pg_catalog.pg_stat_replication r ON r.state IN ('streaming', 'catchup')
