-- Names follow from ids, so that every row can be checked at the end.
INSERT INTO users (name, email, balance, created_at)
SELECT 'Person ' || n,
       'person' || n || '@example.com',
       mod(n, 1000),
       now() - make_interval(secs => n)
FROM generate_series(1, %(rows)s) AS n
ORDER BY n
