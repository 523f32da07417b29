-- Seconds since the oldest transaction began that keeps the dead rows of this database from being removed.
-- A session that only waits between two statements of READ COMMITTED keeps none, unless it has written.
-- Vacuums and our own sessions keep none that matter here.
WITH here AS (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
holders AS (
    SELECT a.xact_start AS since,
           pg_catalog.format('session %s of %s%s, %s', a.pid, a.usename,
               CASE WHEN a.application_name <> '' THEN ' (' || a.application_name || ')' ELSE '' END,
               a.state) AS who
    FROM pg_catalog.pg_stat_activity a
    WHERE a.datid = (SELECT oid FROM here)
      AND a.backend_type = 'client backend'
      AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
      AND a.xact_start IS NOT NULL
      AND a.application_name NOT LIKE 'migsafe%'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = a.pid)
    UNION ALL
    SELECT p.prepared, pg_catalog.format('prepared transaction %s of %s', p.gid, p.owner)
    FROM pg_catalog.pg_prepared_xacts p
    WHERE p.database = pg_catalog.current_database()
),
oldest AS (SELECT since, who FROM holders ORDER BY since LIMIT 1)
SELECT coalesce((SELECT extract(epoch FROM clock_timestamp() - since) FROM oldest), 0)::float8,
       coalesce((SELECT who FROM oldest), 'no transaction'),
       NULL::float8,
       NOT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
