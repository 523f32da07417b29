-- Statements of the applications that wait for a lock right now, and for how long (milliseconds).
SELECT activity.pid,
       lock.waitstart,
       extract(epoch FROM clock_timestamp() - lock.waitstart) * 1000 AS waited_ms,
       activity.application_name,
       lock.locktype
FROM pg_catalog.pg_locks AS lock
JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
WHERE NOT lock.granted
  AND lock.waitstart IS NOT NULL
  AND activity.application_name = ANY (%(applications)s)
