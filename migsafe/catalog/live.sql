-- name: tables
-- Ordinary, partitioned, foreign and temporary tables outside the system's schemas; of the temporary ones
-- only this session's. Nothing here locks a table or needs more than to read pg_catalog.
SELECT c.oid::bigint AS oid, {schema} AS schema, c.relname AS name,
       c.relkind = 'p' AS partitioned, c.relkind = 'f' AS foreign, c.relpersistence AS persistence,
       CASE WHEN c.reltuples < 0 THEN NULL ELSE c.reltuples::bigint END AS row_estimate,
       c.relispartition AS is_partition, c.relrowsecurity AS row_security,
       CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partition_key,
       pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_bound,
       ty.typname AS of_name, tn.nspname AS of_schema,
       CASE WHEN am.amname <> 'heap' THEN am.amname END AS access_method, ts.spcname AS tablespace,
       c.relforcerowsecurity AS force_row_security, c.relreplident AS replica_identity,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       ARRAY(SELECT p.pubname FROM pg_catalog.pg_publication p
             WHERE p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r
                                             WHERE r.prpubid = p.oid AND r.prrelid = c.oid)
                   OR {published_schema}
             ORDER BY 1)::text[] AS publications,
       ARRAY(SELECT p.polname FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid
             ORDER BY 1)::text[] AS policies,
       ARRAY(SELECT r.rulename FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid
             ORDER BY 1)::text[] AS rules
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_type ty ON ty.oid = c.reloftype
LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = ty.typnamespace
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
WHERE c.relkind IN ('r', 'p', 'f') AND {is_user_schema}
ORDER BY n.nspname, c.relname;

-- name: views
SELECT c.oid::bigint AS oid, {schema} AS schema, c.relname AS name,
       c.relkind = 'm' AS materialized, c.relpersistence = 't' AS temporary,
       CASE WHEN c.reltuples < 0 OR c.relkind = 'v' THEN NULL ELSE c.reltuples::bigint END AS row_estimate,
       ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)::text[] AS columns,
       pg_catalog.pg_get_viewdef(c.oid) AS definition, coalesce(c.reloptions, '{{}}')::text[] AS options
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND {is_user_schema}
ORDER BY n.nspname, c.relname;

-- name: adorned
-- What a view has beside its query, as statements that give it to another one of its name, in the order in
-- which they can run. Its owner's own privileges come with it.
WITH v AS (
    SELECT c.oid, c.relowner, c.relacl,
           format('%%I.%%I', {schema}, c.relname) AS named,
           CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY (%(views)s::oid[])
), parts (oid, place, statement) AS (
    SELECT v.oid, 1, format('ALTER %%s %%s OWNER TO %%I', v.kind, v.named, r.rolname)
    FROM v JOIN pg_catalog.pg_roles r ON r.oid = v.relowner WHERE r.rolname <> current_user
    UNION ALL
    SELECT v.oid, 2, format('ALTER VIEW %%s ALTER COLUMN %%I SET DEFAULT %%s', v.named, a.attname,
                            pg_catalog.pg_get_expr(d.adbin, d.adrelid))
    FROM v JOIN pg_catalog.pg_attrdef d ON d.adrelid = v.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    UNION ALL
    SELECT v.oid, 3, format('COMMENT ON %%s %%s IS %%L', v.kind, v.named, o.description)
    FROM v JOIN pg_catalog.pg_description o ON o.objoid = v.oid AND o.objsubid = 0
     AND o.classoid = 'pg_catalog.pg_class'::regclass
    UNION ALL
    SELECT v.oid, 4, format('COMMENT ON COLUMN %%s.%%I IS %%L', v.named, a.attname, o.description)
    FROM v JOIN pg_catalog.pg_description o ON o.objoid = v.oid AND o.objsubid > 0
     AND o.classoid = 'pg_catalog.pg_class'::regclass
    JOIN pg_catalog.pg_attribute a ON a.attrelid = v.oid AND a.attnum = o.objsubid
    UNION ALL
    SELECT v.oid, 5, format('GRANT %%s ON %%s TO %%s%%s', g.privilege_type, v.named,
                            coalesce(quote_ident(r.rolname), 'PUBLIC'),
                            CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM v CROSS JOIN LATERAL pg_catalog.aclexplode(v.relacl) g
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee WHERE g.grantee <> v.relowner
    UNION ALL
    SELECT v.oid, 6, format('GRANT %%s (%%I) ON %%s TO %%s%%s', g.privilege_type, a.attname, v.named,
                            coalesce(quote_ident(r.rolname), 'PUBLIC'),
                            CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM v JOIN pg_catalog.pg_attribute a ON a.attrelid = v.oid AND a.attacl IS NOT NULL
    CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) g
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee WHERE g.grantee <> v.relowner
    UNION ALL
    SELECT v.oid, 7, pg_catalog.rtrim(pg_catalog.pg_get_ruledef(r.oid), ';')
    FROM v JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT v.oid, 8, pg_catalog.pg_get_triggerdef(t.oid)
    FROM v JOIN pg_catalog.pg_trigger t ON t.tgrelid = v.oid WHERE NOT t.tgisinternal
)
SELECT p.oid::bigint AS oid, p.statement AS statement
FROM parts p ORDER BY p.oid, p.place, p.statement;

-- name: reads
-- The relations in the queries of views, not those that only their rules name.
SELECT w.ev_class::bigint AS oid, {schema} AS schema, c.relname AS name,
       pg_catalog.array_remove(pg_catalog.array_agg(DISTINCT a.attname), NULL)::text[] AS columns
FROM pg_catalog.pg_rewrite w
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.oid <> w.ev_class
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a
       ON d.refobjsubid > 0 AND a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'n' AND w.rulename = '_RETURN'
  AND w.ev_class = ANY (%(views)s::oid[]) AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND {is_user_schema}
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;

-- name: parents
SELECT i.inhrelid::bigint AS oid, {schema} AS schema, c.relname AS name, i.inhdetachpending AS detaching
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhrelid = ANY (%(oids)s::oid[])
ORDER BY i.inhrelid, i.inhseqno;

-- name: columns
SELECT a.attrelid::bigint AS oid, a.attname AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null, a.attidentity <> '' AS identity, a.attgenerated AS generated,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS expression, a.attislocal AS is_local,
       CASE WHEN a.attcollation <> t.typcollation  THEN co.collname END AS collation,
       CASE WHEN a.attcollation <> t.typcollation
            THEN pg_catalog.format('%%I.%%I', cn.nspname, co.collname) END AS exact_collation,
       a.attidentity = 'a' AS identity_always, pg_catalog.col_description(a.attrelid, a.attnum) AS comment,
       ARRAY(SELECT x.privilege_type || ' TO ' || coalesce(pg_catalog.quote_ident(g.rolname), 'PUBLIC')
                    || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
             FROM pg_catalog.aclexplode(a.attacl) x LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantee
             ORDER BY 1)::text[] AS grants,
       pg_catalog.array_remove(ARRAY[
           CASE WHEN a.attstattarget >= 0 THEN 'SET STATISTICS ' || a.attstattarget END,
           'SET (' || pg_catalog.array_to_string(a.attoptions, ', ') || ')'], NULL)::text[] AS settings,
       pg_catalog.array_remove(ARRAY[
           CASE WHEN a.attstorage <> t.typstorage THEN 'SET STORAGE ' || CASE a.attstorage
               WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
           CASE a.attcompression WHEN 'p' THEN 'SET COMPRESSION pglz'
                                 WHEN 'l' THEN 'SET COMPRESSION lz4' END], NULL)::text[] AS storage
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
WHERE a.attrelid = ANY (%(oids)s::oid[] || %(composites)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum;

-- name: constraints
-- NOT NULL constraints have rows from PostgreSQL 18 on. A foreign key on a partitioned table has further
-- rows of the same table, one for each of its partitions: they are left out.
SELECT c.conrelid::bigint AS oid, c.conname AS name, c.contype AS kind, c.convalidated AS validated,
       {enforced} AS enforced, c.coninhcount > 0 AND NOT c.conislocal AS inherited, c.connoinherit AS no_inherit,
       CASE WHEN c.convalidated THEN pg_catalog.pg_get_constraintdef(c.oid)
            ELSE pg_catalog.regexp_replace(
                   pg_catalog.pg_get_constraintdef(c.oid), ' NOT (VALID|ENFORCED)$', '') END AS definition,
       ARRAY(SELECT a.attname FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k(num, pos)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num
             ORDER BY k.pos)::text[] AS columns,
       {f_schema} AS referenced_schema, fc.relname AS referenced_name,
       ARRAY(SELECT a.attname FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY k(num, pos)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num
             ORDER BY k.pos)::text[] AS referenced_columns,
       CASE WHEN c.contype <> 'f' THEN ic.relname END AS index,
       CASE WHEN c.contype = 'f' THEN ic.relname END AS referenced_index,
       pg_catalog.obj_description(c.oid, 'pg_constraint') AS comment, CASE WHEN c.contype = 'f' THEN above.conname END AS parent
FROM pg_catalog.pg_constraint c
LEFT JOIN pg_catalog.pg_constraint above ON above.oid = c.conparentid
LEFT JOIN pg_catalog.pg_class fc ON fc.oid = c.confrelid
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
LEFT JOIN pg_catalog.pg_class ic ON ic.oid = c.conindid AND c.contype IN ('p', 'u', 'x', 'f')
WHERE c.conrelid = ANY (%(oids)s::oid[]) AND c.contype IN ('c', 'f', 'n', 'p', 'u', 'x')
  AND above.conrelid IS DISTINCT FROM c.conrelid
ORDER BY c.conrelid, c.conname;

-- name: indexes
-- The columns of an index are all that it reads: its keys, expressions, predicate and INCLUDE list.
SELECT i.indrelid::bigint AS oid, c.relname AS name, i.indisunique AS is_unique,
       i.indisvalid AND i.indisready AS valid, pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
       i.indisreplident AS identifies, i.indisclustered AS clustered, ts.spcname AS tablespace,
       pg_catalog.obj_description(i.indexrelid, 'pg_class') AS comment,
       am.amname AS method, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
       ARRAY(SELECT DISTINCT a.attname FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = i.indrelid AND a.attnum > 0
               AND (a.attnum = ANY (i.indkey) OR EXISTS (
                     SELECT FROM pg_catalog.pg_depend d
                     WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
                       AND d.refclassid = 'pg_catalog.pg_class'::regclass
                       AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))
             ORDER BY a.attname)::text[] AS columns,
       ARRAY(SELECT coalesce(a.attname, '')
             FROM pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY k(num, pos)
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
             WHERE k.pos <= i.indnkeyatts ORDER BY k.pos)::text[] AS keys,
       {schema} AS parent_schema, pc.relname AS parent_name
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am am ON am.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indexrelid
LEFT JOIN pg_catalog.pg_class pc ON pc.oid = h.inhparent
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = pc.relnamespace
WHERE i.indrelid = ANY (%(oids)s::oid[] || %(views)s::oid[])
ORDER BY i.indrelid, c.relname;

-- name: triggers
-- Up to PostgreSQL 14 the triggers that a partition has from its parent count as internal; foreign keys'
-- triggers have a constraint.
SELECT t.tgrelid::bigint AS oid, t.tgname AS name, (t.tgtype & 3) = 3 AS before_row, (t.tgtype & 1) = 1 AS is_row,
       t.tgenabled <> 'D' AS enabled, n.nspname AS function_schema, p.proname AS function_name,
       pg_catalog.pg_get_triggerdef(t.oid) AS definition
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint AND k.contype <> 't'
WHERE t.tgrelid = ANY (%(oids)s::oid[] || %(views)s::oid[])
  AND (NOT t.tgisinternal OR (t.tgparentid <> 0 AND k.oid IS NULL))
ORDER BY t.tgrelid, t.tgname;

-- name: dependents
-- What reads a column and is neither its own default, nor an index, nor a constraint of its table.
SELECT d.refobjid::bigint AS oid, a.attname AS column,
       CASE WHEN r.oid IS NOT NULL
            THEN CASE v.relkind WHEN 'm' THEN 'materialized view ' WHEN 'v' THEN 'view ' ELSE 'rule on ' END
                 || v.oid::regclass::text
            WHEN ad.oid IS NOT NULL THEN 'generated column ' || ga.attname
            ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END AS description,
       CASE WHEN r.oid IS NOT NULL AND r.rulename = '_RETURN' AND v.relkind = 'v' THEN 'view'
            WHEN r.oid IS NOT NULL AND r.rulename = '_RETURN' THEN 'materialized view'
            WHEN tg.oid IS NOT NULL AND tg.tgrelid = d.refobjid THEN 'trigger'
            WHEN po.oid IS NOT NULL THEN 'policy' WHEN st.oid IS NOT NULL THEN 'statistics'
            WHEN con.contype = 'f' THEN 'foreign key' ELSE 'other' END AS kind,
       coalesce(v.relname, tg.tgname, po.polname, st.stxname, con.conname) AS name,
       on_.nspname AS on_schema, oc.relname AS on_name,
       CASE WHEN po.oid IS NOT NULL
            THEN coalesce(' USING (' || pg_catalog.pg_get_expr(po.polqual, po.polrelid) || ')', '')
                 || coalesce(' WITH CHECK (' || pg_catalog.pg_get_expr(po.polwithcheck, po.polrelid) || ')', '')
            WHEN st.oid IS NOT NULL THEN pg_catalog.pg_get_statisticsobjdef(st.oid) END AS definition
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
LEFT JOIN pg_catalog.pg_attrdef ad ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND ad.oid = d.objid
LEFT JOIN pg_catalog.pg_attribute ga ON ga.attrelid = ad.adrelid AND ga.attnum = ad.adnum
LEFT JOIN pg_catalog.pg_class dc ON d.classid = 'pg_catalog.pg_class'::regclass AND dc.oid = d.objid
LEFT JOIN pg_catalog.pg_constraint con
       ON d.classid = 'pg_catalog.pg_constraint'::regclass AND con.oid = d.objid
LEFT JOIN pg_catalog.pg_constraint above ON above.oid = con.conparentid
LEFT JOIN pg_catalog.pg_trigger tg ON d.classid = 'pg_catalog.pg_trigger'::regclass AND tg.oid = d.objid
LEFT JOIN pg_catalog.pg_policy po ON d.classid = 'pg_catalog.pg_policy'::regclass AND po.oid = d.objid
LEFT JOIN pg_catalog.pg_statistic_ext st
       ON d.classid = 'pg_catalog.pg_statistic_ext'::regclass AND st.oid = d.objid
LEFT JOIN pg_catalog.pg_class oc ON oc.oid = coalesce(v.oid, po.polrelid, con.conrelid, d.refobjid)
LEFT JOIN pg_catalog.pg_namespace on_ ON on_.oid = coalesce(st.stxnamespace, oc.relnamespace)
WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY (%(oids)s::oid[])
  AND d.refobjsubid > 0
  AND NOT (ad.oid IS NOT NULL AND ad.adnum = d.refobjsubid AND ad.adrelid = d.refobjid)
  AND dc.relkind IS DISTINCT FROM 'i' AND dc.relkind IS DISTINCT FROM 'I' AND dc.relkind IS DISTINCT FROM 'S'
  AND con.conrelid IS DISTINCT FROM d.refobjid
  -- A foreign key to a partitioned table has further rows for its partitions, whose names nobody gives.
  AND (above.oid IS NULL OR above.conrelid <> con.conrelid)
UNION
SELECT a.attrelid::bigint, a.attname, 'privileges granted on the column', 'privileges', NULL, NULL, NULL, NULL
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = ANY (%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attacl IS NOT NULL
ORDER BY 1, 2, 3;

-- name: references
SELECT DISTINCT c.confrelid::bigint AS oid, {schema} AS schema, r.relname AS name
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
LEFT JOIN pg_catalog.pg_constraint above ON above.oid = c.conparentid
WHERE c.contype = 'f' AND c.confrelid = ANY (%(oids)s::oid[]) AND above.conrelid IS DISTINCT FROM c.conrelid
ORDER BY 1, 2, 3;

-- name: grants
-- What others than the owner may do with a table or view; columns that share a privilege stand together.
SELECT g.oid::bigint AS oid, g.privilege, g.grantee, g.grantable,
       pg_catalog.array_remove(pg_catalog.array_agg(g.attname ORDER BY g.attnum), NULL)::text[] AS columns
FROM (SELECT c.oid, c.relowner, acl.privilege_type AS privilege, acl.grantee AS role, acl.is_grantable AS grantable,
             CASE WHEN acl.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(acl.grantee)::text END AS grantee,
             NULL::text AS attname, 0 AS attnum
      FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) acl
      UNION ALL
      SELECT c.oid, c.relowner, acl.privilege_type, acl.grantee, acl.is_grantable,
             CASE WHEN acl.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(acl.grantee)::text END,
             a.attname::text, a.attnum
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid, pg_catalog.aclexplode(a.attacl) acl
      WHERE a.attnum > 0 AND NOT a.attisdropped) g
WHERE g.oid = ANY (%(oids)s::oid[] || %(views)s::oid[]) AND g.role <> g.relowner
GROUP BY g.oid, g.privilege, g.grantee, g.grantable, g.attnum = 0
ORDER BY 1, 3, 2, 4, 5;

-- name: sequences
SELECT c.oid::bigint AS oid, {schema} AS schema, c.relname AS name, c.relpersistence = 't' AS temporary,
       pg_catalog.format_type(s.seqtypid, NULL) AS type, d.deptype = 'i' AS identity,
       s.seqstart AS start, s.seqincrement AS increment, s.seqmin AS least, s.seqmax AS most,
       s.seqcache AS cache, s.seqcycle AS cycles,
       ARRAY(SELECT x.privilege_type || ' TO ' || coalesce(pg_catalog.quote_ident(g.rolname), 'PUBLIC')
                    || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
             FROM pg_catalog.aclexplode(c.relacl) x LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantee
             WHERE x.grantee <> c.relowner ORDER BY 1)::text[] AS grants,
       d.refobjid::bigint AS owner, a.attname AS column
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend d
       ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.refobjsubid > 0
      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE {is_user_schema}
ORDER BY n.nspname, c.relname;

-- name: types
SELECT t.typrelid::bigint AS oid, {schema} AS schema, t.typname AS name, t.typtype AS kind,
       ARRAY(SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid
             ORDER BY e.enumsortorder)::text[] AS labels
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE (t.typtype IN ('e', 'r', 'b') OR c.relkind = 'c') AND {is_user_schema}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type element WHERE element.typarray = t.oid)
ORDER BY n.nspname, t.typname;

-- name: domains
SELECT t.oid::bigint AS oid, {schema} AS schema, t.typname AS name,
       pg_catalog.format_type(t.typbasetype, t.typtypmod) AS base, t.typnotnull AS not_null,
       t.typdefault AS expression
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'd' AND {is_user_schema}
ORDER BY n.nspname, t.typname;

-- name: domain_constraints
SELECT c.contypid::bigint AS oid, c.conname AS name, c.contype AS kind, c.convalidated AS validated,
       true AS enforced, false AS inherited, false AS no_inherit,
       pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(c.oid), ' NOT VALID$', '') AS definition,
       '{{}}'::text[] AS columns, NULL AS referenced_schema, NULL AS referenced_name,
       '{{}}'::text[] AS referenced_columns, NULL AS index, NULL AS parent
FROM pg_catalog.pg_constraint c
WHERE c.contypid <> 0 AND c.contype = 'c'
ORDER BY c.contypid, c.conname;

-- name: functions
SELECT n.nspname AS schema, p.proname AS name, p.prokind AS kind, p.provolatile AS volatility,
       l.lanname AS language, pg_catalog.format_type(p.prorettype, NULL) AS returns,
       ARRAY(SELECT pg_catalog.format_type(a.type, NULL)
             FROM pg_catalog.unnest(p.proargtypes::oid[]) WITH ORDINALITY a(type, pos)
             ORDER BY a.pos)::text[] AS arguments,
       CASE WHEN p.prokind <> 'a' AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_depend e
                 WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
            THEN pg_catalog.pg_get_functiondef(p.oid) ELSE '' END AS definition,
       ARRAY(SELECT format('ALTER ROUTINE %%s OWNER TO %%I', p.oid::pg_catalog.regprocedure, r.rolname)
             FROM pg_catalog.pg_roles r WHERE r.oid = p.proowner AND r.rolname <> current_user
             UNION ALL
             SELECT format('REVOKE ALL ON ROUTINE %%s FROM PUBLIC', p.oid::pg_catalog.regprocedure)
             WHERE p.proacl IS NOT NULL
             UNION ALL
             SELECT format('GRANT EXECUTE ON ROUTINE %%s TO %%s%%s', p.oid::pg_catalog.regprocedure,
                           coalesce(quote_ident(r.rolname), 'PUBLIC'),
                           CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
             FROM pg_catalog.aclexplode(p.proacl) g
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee WHERE g.grantee <> p.proowner)::text[] AS adorned
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE {is_user_schema}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d  -- what a range type brings along
                  WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i'
                    AND d.refclassid = 'pg_catalog.pg_type'::regclass)
ORDER BY n.nspname, p.proname, p.oid;

-- name: extensions
SELECT e.extname AS name, n.nspname AS schema
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
ORDER BY e.extname;

-- name: schemas
SELECT n.nspname AS name FROM pg_catalog.pg_namespace n WHERE {is_user_schema} AND n.nspname !~ '^pg_' ORDER BY 1;

-- name: sizes
-- The only query that looks at the tables themselves: it waits for whoever holds ACCESS EXCLUSIVE.
SELECT o.oid::bigint AS oid, pg_catalog.pg_table_size(o.oid) AS size_bytes
FROM pg_catalog.unnest(%(stored)s::oid[]) o(oid);

-- name: estimated_sizes
-- What the last VACUUM or ANALYZE saw.
SELECT c.oid::bigint AS oid,
       (c.relpages + coalesce(t.relpages, 0))::bigint * current_setting('block_size')::bigint AS size_bytes
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
WHERE c.oid = ANY (%(stored)s::oid[]);

-- name: search_path
SELECT s.setting AS path, s.reset_val AS default_path
FROM pg_catalog.pg_settings s WHERE s.name = 'search_path';
