-- Vacuums at work on the table, its partitions and their TOAST tables.
WITH RECURSIVE family(oid) AS (
    SELECT pg_catalog.to_regclass({table})::oid
    UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid
),
at_work AS (
    SELECT v.relid, v.phase,
           coalesce(a.query LIKE '%(to prevent wraparound)%', false) AS wraparound,
           a.backend_type = 'autovacuum worker' AS automatic,
           CASE WHEN v.heap_blks_total > 0 THEN 100 * v.heap_blks_scanned / v.heap_blks_total END AS percent
    FROM pg_catalog.pg_stat_progress_vacuum v
    JOIN pg_catalog.pg_stat_activity a ON a.pid = v.pid
    WHERE v.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND (v.relid IN (SELECT oid FROM family)
           OR v.relid IN (SELECT c.reltoastrelid FROM pg_catalog.pg_class c JOIN family f ON c.oid = f.oid))
)
SELECT coalesce(sum(CASE WHEN wraparound THEN 2 ELSE 1 END), 0)::float8,
       coalesce(string_agg(pg_catalog.format('%s of %s%s, %s%s',
           CASE WHEN automatic THEN 'autovacuum' ELSE 'vacuum' END, relid::regclass,
           CASE WHEN wraparound THEN ' to prevent wraparound' ELSE '' END, phase,
           ' ' || percent || ' %'), '; '), 'none'),
       NULL::float8,
       NOT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
FROM at_work
