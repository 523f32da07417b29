-- Sessions of others that are executing a statement. The default limit is at most half of max_connections.
SELECT count(*) FILTER (WHERE state = 'active')::float8,
       pg_catalog.format('%s active of %s sessions, max_connections is %s',
           count(*) FILTER (WHERE state = 'active'), count(*), pg_catalog.current_setting('max_connections')),
       pg_catalog.current_setting('max_connections')::float8 / 2,
       NOT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
FROM pg_catalog.pg_stat_activity
WHERE backend_type = 'client backend' AND application_name NOT LIKE 'migsafe%'
