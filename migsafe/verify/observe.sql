-- name: relations
-- Everything with locks of its own that is not the system's, with what tells one storage from the next.
SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text, pg_catalog.pg_relation_filenode(c.oid)::bigint
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'I')

-- name: scans
-- Counted inside the transaction, so exact at once.
SELECT relid::bigint, coalesce(seq_scan, 0) FROM pg_catalog.pg_stat_xact_user_tables

-- name: locks
SELECT l.relation::bigint, max(pg_catalog.array_position(ARRAY[
  'AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
  'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'], l.mode))
FROM pg_catalog.pg_locks AS l
WHERE l.pid = %(pid)s AND l.locktype = 'relation'
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
GROUP BY l.relation

-- name: blockers
SELECT pg_catalog.unnest(pg_catalog.pg_blocking_pids(%(pid)s))

-- name: all_scans
SELECT relid::bigint, coalesce(seq_scan, 0) FROM pg_catalog.pg_stat_user_tables

-- name: session_settings
SELECT name, setting FROM pg_catalog.pg_settings WHERE source = 'session'

-- name: mark
-- Reads a table of the system that nothing else reads: its count arrives with the counts of the statement.
SELECT count(*) FROM pg_catalog.pg_largeobject_metadata

-- name: marked
SELECT pg_catalog.pg_stat_get_numscans('pg_catalog.pg_largeobject_metadata'::regclass)

-- name: set_up
-- What is in force comes back first, then it is changed for the rest of the transaction.
SELECT messages, seqscan, pg_catalog.set_config('client_min_messages', 'debug1', true),
  pg_catalog.set_config('enable_seqscan', coalesce(%(seqscan)s, seqscan), true)
FROM (SELECT pg_catalog.current_setting('client_min_messages') AS messages,
        pg_catalog.current_setting('enable_seqscan') AS seqscan OFFSET 0) AS before

-- name: put_back
SELECT pg_catalog.set_config('client_min_messages', %(messages)s, true),
  pg_catalog.set_config('enable_seqscan', %(seqscan)s, true)
