// What is asked of pg_catalog: each part is a JSON document made by the server. Postgres 14 and later.
/** Objects below this number are Postgres' own. */
const firstMade = 16384;

/** What somebody made; what extensions brought comes back with them. */
const isOwn = (catalogue: string, oid: string): string =>
  `NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = '${catalogue}'::regclass AND e.objid = ${oid} AND e.deptype = 'e')`;

/**
 * The schemas' relations, and their partitions wherever they lie; the types that their columns name, through arrays,
 * domains, composites and ranges; the functions that defaults, checks and indexes call. What a function calls stands in
 * its text, where Postgres records nothing: so each function that a text names counts as needed, too.
 */
const scopeSql = `
  own AS MATERIALIZED (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid) LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND (n.nspname = ANY ($1) OR rn.nspname = ANY ($1)) AND ${isOwn("pg_class", "c.oid")}
  ),
  used (oid) AS (
    SELECT a.atttypid FROM own JOIN pg_attribute a ON a.attrelid = own.oid WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= ${firstMade}
    UNION SELECT t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
      WHERE n.nspname = ANY ($1) AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
    UNION SELECT x.oid FROM used JOIN pg_type t ON t.oid = used.oid CROSS JOIN LATERAL (
      SELECT t.typelem UNION ALL SELECT t.typbasetype UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE t.oid IN (g.rngtypid, g.rngmultitypid)
      UNION ALL SELECT g.rngtypid FROM pg_range g WHERE g.rngmultitypid = t.oid
      UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'c'
    ) x (oid) WHERE x.oid >= ${firstMade}
  ),
  types AS MATERIALIZED (
    SELECT t.*, n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.oid IN (SELECT oid FROM used) AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND ${isOwn("pg_type", "t.oid")}
  ),
  called (oid) AS (
    SELECT d.refobjid FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid >= ${firstMade} AND (
      (d.classid = 'pg_attrdef'::regclass AND d.objid IN (SELECT f.oid FROM pg_attrdef f WHERE f.adrelid IN (SELECT oid FROM own)))
      OR (d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT k.oid FROM pg_constraint k WHERE k.conrelid IN (SELECT oid FROM own) OR k.contypid IN (SELECT oid FROM types)))
      OR (d.classid = 'pg_class'::regclass AND d.objid IN (SELECT x.indexrelid FROM pg_index x WHERE x.indrelid IN (SELECT oid FROM own))))
    UNION SELECT p.oid FROM called JOIN pg_proc f ON f.oid = called.oid JOIN pg_namespace n ON n.nspname = ANY ($1) OR n.oid = f.pronamespace
      JOIN pg_proc p ON p.pronamespace = n.oid AND (position(p.proname IN f.prosrc) > 0
        OR EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid))
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
  )`;

const tablesSql = `
  SELECT coalesce(json_agg(t ORDER BY t.name), '[]') FROM (
    SELECT n.nspname || '.' || c.relname AS name, c.oid::bigint AS oid,
      CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign' ELSE 'table' END AS kind,
      (SELECT pn.nspname || '.' || pc.relname FROM pg_inherits i JOIN pg_class pc ON pc.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace
        WHERE i.inhrelid = c.oid AND c.relispartition) AS "partitionOf",
      (SELECT json_agg(pn.nspname || '.' || pc.relname ORDER BY i.inhseqno) FROM pg_inherits i JOIN pg_class pc ON pc.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace
        WHERE i.inhrelid = c.oid AND NOT c.relispartition) AS inherits,
      nullif(concat_ws(' ', CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
        CASE WHEN c.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END), '') AS "partitionClause",
      c.relrowsecurity AS "rowSecurity",
      greatest(c.reltuples, 0)::bigint AS "estimatedRows", coalesce(pg_table_size(c.oid), 0)::bigint AS "ownBytes"
    FROM own JOIN pg_class c ON c.oid = own.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  ) t`;

const columnsSql = `
  SELECT coalesce(json_agg(a ORDER BY a.oid, a.position), '[]') FROM (
    SELECT a.attrelid::bigint AS oid, a.attnum AS position, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS "notNull",
      pg_get_expr(d.adbin, d.adrelid) AS "defaultSql",
      CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END AS generated,
      CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
      CASE WHEN a.attcollation <> ty.typcollation THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END AS collation
    FROM own JOIN pg_attribute a ON a.attrelid = own.oid JOIN pg_type ty ON ty.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
  ) a`;

const constraintsSql = `
  SELECT coalesce(json_agg(k ORDER BY k.oid, k.name), '[]') FROM (
    SELECT k.conrelid::bigint AS oid, k.conname AS name, k.contype AS kind, pg_get_constraintdef(k.oid) AS definition,
      (SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(k.conkey) WITH ORDINALITY u(attnum, position) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS columns,
      (SELECT rn.nspname || '.' || rc.relname FROM pg_class rc JOIN pg_namespace rn ON rn.oid = rc.relnamespace WHERE rc.oid = k.confrelid) AS "referencedTable",
      (SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(k.confkey) WITH ORDINALITY u(attnum, position) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) AS "referencedColumns",
      CASE WHEN EXISTS (SELECT 1 FROM unnest(k.conpfeqop) u(oid) WHERE u.oid >= ${firstMade}) THEN (
        SELECT json_agg('OPERATOR(' || quote_ident(sn.nspname) || '.' || o.oprname || ')' ORDER BY u.position)
        FROM unnest(k.conpfeqop) WITH ORDINALITY u(oid, position) JOIN pg_operator o ON o.oid = u.oid JOIN pg_namespace sn ON sn.oid = o.oprnamespace) END AS operators,
      k.conparentid <> 0 AS inherited
    FROM own JOIN pg_constraint k ON k.conrelid = own.oid WHERE k.contype IN ('p', 'u', 'c', 'x', 'f')
  ) k`;

const indexesSql = `
  SELECT coalesce(json_agg(i ORDER BY i.oid, i.definition), '[]') FROM (
    SELECT x.indrelid::bigint AS oid, pg_get_indexdef(x.indexrelid) AS definition
    FROM own JOIN pg_index x ON x.indrelid = own.oid
    WHERE NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
      AND NOT EXISTS (SELECT 1 FROM pg_inherits h WHERE h.inhrelid = x.indexrelid)
  ) i`;

const outsideSql = `
  SELECT coalesce(json_agg(o ORDER BY o.table, o."leadsTo"), '[]') FROM (
    SELECT DISTINCT n.nspname || '.' || c.relname AS table, pn.nspname || '.' || p.relname AS "leadsTo"
    FROM (
      SELECT k.conrelid, k.confrelid FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0
      UNION ALL SELECT i.inhrelid, i.inhparent FROM pg_inherits i
    ) l (child, parent)
      JOIN pg_class p ON p.oid = l.parent JOIN pg_namespace pn ON pn.oid = p.relnamespace
      JOIN pg_class c ON c.oid = l.child JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.parent IN (SELECT oid FROM own) AND l.child NOT IN (SELECT oid FROM own) AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
  ) o`;

const typesSql = `
  SELECT json_build_object(
    'enums', (SELECT coalesce(json_agg(e ORDER BY e.name), '[]') FROM (
      SELECT t.nspname || '.' || t.typname AS name, (SELECT coalesce(json_agg(l.enumlabel ORDER BY l.enumsortorder), '[]') FROM pg_enum l WHERE l.enumtypid = t.oid) AS labels
      FROM types t WHERE t.typtype = 'e') e),
    'domains', (SELECT coalesce(json_agg(d ORDER BY d.oid), '[]') FROM (
      SELECT t.oid::bigint AS oid, t.nspname || '.' || t.typname AS name,
        'CREATE DOMAIN ' || quote_ident(t.nspname) || '.' || quote_ident(t.typname) || ' AS ' || format_type(t.typbasetype, t.typtypmod)
        || coalesce(' DEFAULT ' || t.typdefault, '') || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
        || coalesce((SELECT string_agg(' CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid), '' ORDER BY k.conname) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '') AS definition
      FROM types t WHERE t.typtype = 'd') d),
    'composites', (SELECT coalesce(json_agg(ct.sql ORDER BY ct.oid), '[]') FROM (
      SELECT t.oid::bigint AS oid, 'CREATE TYPE ' || quote_ident(t.nspname) || '.' || quote_ident(t.typname) || ' AS (' ||
        coalesce((SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')' AS sql
      FROM types t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c' WHERE t.typtype = 'c'
      UNION ALL
      SELECT t.oid::bigint, 'CREATE TYPE ' || quote_ident(t.nspname) || '.' || quote_ident(t.typname) || ' AS RANGE (SUBTYPE = ' || format_type(g.rngsubtype, NULL)
        || coalesce(', COLLATION = ' || (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = g.rngcollation), '')
        || ', MULTIRANGE_TYPE_NAME = ' || format_type(g.rngmultitypid, NULL) || ')'
      FROM types t JOIN pg_range g ON g.rngtypid = t.oid WHERE t.typtype = 'r') ct),
    'functions', (SELECT coalesce(json_agg(f.sql ORDER BY f.oid), '[]') FROM (
      SELECT DISTINCT p.oid::bigint AS oid, pg_get_functiondef(p.oid) AS sql
      FROM called JOIN pg_proc p ON p.oid = called.oid JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
      WHERE p.prokind = 'f' AND l.lanname NOT IN ('c', 'internal') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND ${isOwn("pg_proc", "p.oid")}) f),
    'sequences', (SELECT coalesce(json_agg(s ORDER BY s.name), '[]') FROM (
      SELECT n.nspname || '.' || c.relname AS name, format_type(q.seqtypid, NULL) AS type, q.seqincrement::text AS increment,
        (SELECT tn.nspname || '.' || tc.relname || '.' || a.attname FROM pg_depend d JOIN pg_class tc ON tc.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
          JOIN pg_attribute a ON a.attrelid = tc.oid AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1) AS "ownedBy",
        CASE WHEN has_sequence_privilege(c.oid, 'SELECT') THEN pg_sequence_last_value(c.oid)::text END AS "lastValue"
      FROM pg_sequence q JOIN pg_class c ON c.oid = q.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = ANY ($1) AND c.relpersistence <> 't' AND ${isOwn("pg_class", "c.oid")}) s),
    'extensions', (SELECT coalesce(json_agg(e ORDER BY e.name), '[]') FROM (
      SELECT x.extname AS name, x.extversion AS version, n.nspname AS schema FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace WHERE x.extname <> 'plpgsql') e))`;

/** One row of six JSON documents: tables, columns, constraints, indexes, tables outside, and everything else. $1 = the schemas' names. */
export const schemaSql = `WITH RECURSIVE ${scopeSql} SELECT ${[tablesSql, columnsSql, constraintsSql, indexesSql, outsideSql, typesSql].map((sql) => `(${sql})`).join(", ")}`;
