-- Bytes of WAL that the replication slot furthest behind keeps. Everybody may know. Where the server gives
-- slots up beyond max_slot_wal_keep_size, the default limit is at most half of that.
WITH kept AS (
    SELECT slot_name, active, pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn) AS bytes
    FROM pg_catalog.pg_replication_slots
    WHERE restart_lsn IS NOT NULL
),
furthest AS (SELECT * FROM kept ORDER BY bytes DESC LIMIT 1)
SELECT greatest(0, coalesce((SELECT bytes FROM furthest), 0))::float8,
       coalesce((SELECT 'slot ' || slot_name || CASE WHEN active THEN '' ELSE ', which nobody reads' END
                 FROM furthest), 'no slot'),
       (SELECT CASE WHEN setting::bigint > 0 THEN setting::float8 * 1048576 / 2 END
        FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size'),
       false
