-- name: relations
SELECT c.oid::bigint, c.relname, c.relkind, pg_relation_filenode(c.oid)::bigint
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'i', 'I')
-- name: scans
SELECT relid::bigint, coalesce(seq_scan, 0) FROM pg_stat_xact_user_tables
-- name: locks
SELECT l.relation::bigint, max(array_position(ARRAY[
  'AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
  'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'], l.mode))
FROM pg_locks AS l
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY l.relation
-- name: indexes
SELECT c.relname, i.indrelid::bigint
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'public'
