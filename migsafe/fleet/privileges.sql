-- What this role lacks to carry out a plan on these relations: a line of text for each thing.
WITH subject AS (
    SELECT c.oid, c.relowner, c.relnamespace, c.oid::regclass::text AS name
    FROM unnest(%(names)s::text[]) AS given(name)
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(given.name)
), ledger AS (
    SELECT n.oid, n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname = 'migsafe'
)
SELECT 'it does not own ' || name || ' (' || pg_catalog.pg_get_userbyid(relowner) || ' does)' AS lack
FROM subject WHERE NOT pg_catalog.pg_has_role(relowner, 'USAGE')
UNION
SELECT 'it may not create anything in the schema ' || relnamespace::regnamespace::text
FROM subject WHERE NOT pg_catalog.has_schema_privilege(relnamespace, 'CREATE')
UNION
SELECT 'it may not create the schema of the ledger: an administrator may do it by '
    || 'CREATE SCHEMA migsafe AUTHORIZATION ' || pg_catalog.quote_ident(current_user)
WHERE NOT EXISTS (SELECT FROM ledger)
    AND NOT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
UNION
SELECT 'it does not own the schema migsafe of the ledger (' || pg_catalog.pg_get_userbyid(nspowner) || ' does)'
FROM ledger WHERE NOT pg_catalog.pg_has_role(nspowner, 'USAGE')
ORDER BY lack
