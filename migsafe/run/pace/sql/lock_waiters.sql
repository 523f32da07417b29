-- Sessions of others in this database that have waited for a lock for more than a second. Everybody may know.
SELECT count(*)::float8,
       coalesce('longest: session ' || (array_agg(pid ORDER BY since))[1] || ', '
                || round(extract(epoch FROM clock_timestamp() - min(since))::numeric, 1) || ' s', 'nobody waits'),
       NULL::float8,
       false
FROM (
    SELECT l.pid, min(l.waitstart) AS since
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE NOT l.granted
      AND l.waitstart < clock_timestamp() - interval '1 second'
      AND a.datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND a.application_name NOT LIKE 'migsafe%'
    GROUP BY l.pid
) AS waiting
