-- WAL segments that wait to be archived.
SELECT CASE WHEN pg_catalog.current_setting('archive_mode') = 'off' THEN 0
            ELSE (SELECT count(*) FROM pg_catalog.pg_ls_archive_statusdir() WHERE name LIKE '%.ready') END::float8,
       CASE WHEN pg_catalog.current_setting('archive_mode') = 'off' THEN 'archiving is off'
            WHEN last_failed_time > coalesce(last_archived_time, '-infinity')
            THEN 'failing since ' || last_failed_wal ELSE 'archiving works' END,
       NULL::float8,
       false
FROM pg_catalog.pg_stat_archiver
