-- Who keeps dead rows of this database from being removed, and for how many seconds, oldest first. A session
-- that only waits between two statements of READ COMMITTED keeps none, unless it has written. Vacuums and our
-- own sessions keep none that matter here. Of a replica's feedback and of a slot nobody knows how old it is:
-- they come with the transaction that they keep.
WITH here AS (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
holders(since, who, xmin) AS (
    SELECT a.xact_start,
           pg_catalog.format('session %s of %s%s, %s', a.pid, a.usename,
               CASE WHEN a.application_name <> '' THEN ' (' || a.application_name || ')' ELSE '' END,
               a.state),
           NULL
    FROM pg_catalog.pg_stat_activity a
    WHERE a.datid = (SELECT oid FROM here)
      AND a.backend_type = 'client backend'
      AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
      AND a.xact_start IS NOT NULL
      AND a.application_name NOT LIKE 'migsafe%'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = a.pid)
    UNION ALL
    SELECT p.prepared, pg_catalog.format('prepared transaction %s of %s', p.gid, p.owner), NULL
    FROM pg_catalog.pg_prepared_xacts p
    WHERE p.database = pg_catalog.current_database()
    UNION ALL
    SELECT NULL, 'a query on replica ' || r.application_name, r.backend_xmin::text
    FROM pg_catalog.pg_stat_replication r
    WHERE r.backend_xmin IS NOT NULL
    UNION ALL
    SELECT NULL, 'a query behind slot ' || s.slot_name, s.xmin::text
    FROM pg_catalog.pg_replication_slots s
    WHERE s.xmin IS NOT NULL
),
allowed(yes) AS (SELECT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'))
SELECT extract(epoch FROM clock_timestamp() - h.since)::float8, h.who, h.xmin, NOT a.yes
FROM allowed a LEFT JOIN holders h ON true
ORDER BY h.since
