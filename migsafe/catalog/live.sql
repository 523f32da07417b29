-- name: tables
-- Ordinary, partitioned and temporary tables outside the system's schemas.
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name,
       c.relkind = 'p' AS partitioned, c.relpersistence = 't' AS temporary,
       CASE WHEN c.reltuples < 0 THEN NULL ELSE c.reltuples::bigint END AS row_estimate,
       pg_catalog.pg_table_size(c.oid) AS size_bytes,
       pn.nspname AS parent_schema, pc.relname AS parent_name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
LEFT JOIN pg_catalog.pg_class pc ON pc.oid = i.inhparent
LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'migsafe')
  AND n.nspname NOT LIKE 'pg\_toast%'
ORDER BY n.nspname, c.relname;

-- name: columns
SELECT a.attrelid::bigint AS oid, a.attname AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null, a.attidentity <> '' AS identity, a.attgenerated AS generated,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS expression,
       CASE WHEN a.attcollation <> t.typcollation THEN co.collname END AS collation,
       pg_catalog.pg_get_serial_sequence(
           pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), a.attname
       ) IS NOT NULL AS owns_sequence
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
WHERE a.attrelid = ANY (%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum;

-- name: constraints
-- NOT NULL constraints (PostgreSQL 18 has rows for them) are told by the columns.
SELECT c.conrelid::bigint AS oid, c.conname AS name, c.contype AS kind, c.convalidated AS validated,
       pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(c.oid), ' NOT VALID$', '') AS definition,
       ARRAY(SELECT a.attname FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k(num, pos)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num
             ORDER BY k.pos)::text[] AS columns,
       fn.nspname AS referenced_schema, fc.relname AS referenced_name,
       ARRAY(SELECT a.attname FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY k(num, pos)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num
             ORDER BY k.pos)::text[] AS referenced_columns,
       ic.relname AS index
FROM pg_catalog.pg_constraint c
LEFT JOIN pg_catalog.pg_class fc ON fc.oid = c.confrelid
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
LEFT JOIN pg_catalog.pg_class ic ON ic.oid = c.conindid AND c.contype IN ('p', 'u', 'x')
WHERE c.conrelid = ANY (%(oids)s::oid[]) AND c.contype IN ('c', 'f', 'p', 'u', 'x')
ORDER BY c.conrelid, c.conname;

-- name: indexes
-- The columns of an index are all that it reads: its keys, expressions, predicate and INCLUDE list.
SELECT i.indrelid::bigint AS oid, c.relname AS name, i.indisunique AS is_unique,
       i.indisvalid AND i.indisready AS valid, pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
       ARRAY(SELECT DISTINCT a.attname FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = i.indrelid AND a.attnum > 0
               AND (a.attnum = ANY (i.indkey) OR EXISTS (
                     SELECT FROM pg_catalog.pg_depend d
                     WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
                       AND d.refclassid = 'pg_catalog.pg_class'::regclass
                       AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))
             ORDER BY a.attname)::text[] AS columns
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY (%(oids)s::oid[])
ORDER BY i.indrelid, c.relname;

-- name: triggers
SELECT t.tgrelid::bigint AS oid, t.tgname AS name, (t.tgtype & 3) = 3 AS before_row,
       pg_catalog.pg_get_triggerdef(t.oid) AS definition
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = ANY (%(oids)s::oid[]) AND NOT t.tgisinternal
ORDER BY t.tgrelid, t.tgname;

-- name: dependents
-- What reads a column and is neither its own default, nor an index, nor a constraint of its table.
SELECT d.refobjid::bigint AS oid, a.attname AS column,
       CASE WHEN r.oid IS NOT NULL
            THEN CASE v.relkind WHEN 'm' THEN 'materialized view ' WHEN 'v' THEN 'view ' ELSE 'rule on ' END
                 || v.oid::regclass::text
            WHEN ad.oid IS NOT NULL THEN 'generated column ' || ga.attname
            ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END AS description
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
LEFT JOIN pg_catalog.pg_attrdef ad ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND ad.oid = d.objid
LEFT JOIN pg_catalog.pg_attribute ga ON ga.attrelid = ad.adrelid AND ga.attnum = ad.adnum
LEFT JOIN pg_catalog.pg_class dc ON d.classid = 'pg_catalog.pg_class'::regclass AND dc.oid = d.objid
LEFT JOIN pg_catalog.pg_constraint con
       ON d.classid = 'pg_catalog.pg_constraint'::regclass AND con.oid = d.objid
WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY (%(oids)s::oid[])
  AND d.refobjsubid > 0
  AND NOT (ad.oid IS NOT NULL AND ad.adnum = d.refobjsubid AND ad.adrelid = d.refobjid)
  AND dc.relkind IS DISTINCT FROM 'i' AND dc.relkind IS DISTINCT FROM 'I' AND dc.relkind IS DISTINCT FROM 'S'
  AND con.conrelid IS DISTINCT FROM d.refobjid
UNION
SELECT a.attrelid::bigint, a.attname, 'privileges granted on the column'
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = ANY (%(oids)s::oid[]) AND a.attnum > 0 AND a.attacl IS NOT NULL
ORDER BY 1, 2, 3;

-- name: references
SELECT c.confrelid::bigint AS oid, n.nspname AS schema, r.relname AS name
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
WHERE c.contype = 'f' AND c.confrelid = ANY (%(oids)s::oid[])
ORDER BY c.confrelid, n.nspname, r.relname;
