// The schema, from pg_catalog, in one round trip: each part is a JSON document made by the server. Postgres 14 and later.
import type { Client } from "pg";
import type {
  ColumnDescription,
  DomainDescription,
  EnumDescription,
  ForeignKey,
  SchemaDescription,
  SequenceDescription,
  TableDescription,
} from "../../domain/schema.ts";
import { mapPostgresError } from "./map-error.ts";

const tablesSql = `
  SELECT coalesce(json_agg(t ORDER BY t.name), '[]') FROM (
    SELECT n.nspname || '.' || c.relname AS name, c.oid::bigint AS oid,
      CASE c.relkind WHEN 'p' THEN 'partitioned' ELSE 'table' END AS kind,
      (SELECT pn.nspname || '.' || pc.relname FROM pg_inherits i JOIN pg_class pc ON pc.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace
        WHERE i.inhrelid = c.oid AND c.relispartition) AS "partitionOf",
      CASE WHEN c.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid)
           WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END AS "partitionClause",
      c.relrowsecurity AS "rowSecurity",
      greatest(c.reltuples, 0)::bigint AS "estimatedRows", pg_relation_size(c.oid)::bigint AS "ownBytes"
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname = ANY ($1)
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ) t`;

const columnsSql = `
  SELECT coalesce(json_agg(a ORDER BY a.oid, a.position), '[]') FROM (
    SELECT a.attrelid::bigint AS oid, a.attnum AS position, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS "notNull",
      pg_get_expr(d.adbin, d.adrelid) AS "defaultSql",
      CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END AS generated,
      CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
      CASE WHEN a.attcollation <> ty.typcollation THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END AS collation
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type ty ON ty.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
  ) a`;

const constraintsSql = `
  SELECT coalesce(json_agg(k ORDER BY k.oid, k.name), '[]') FROM (
    SELECT k.conrelid::bigint AS oid, k.conname AS name, k.contype AS kind, pg_get_constraintdef(k.oid) AS definition,
      (SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(k.conkey) WITH ORDINALITY u(attnum, position) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS columns,
      (SELECT rn.nspname || '.' || rc.relname FROM pg_class rc JOIN pg_namespace rn ON rn.oid = rc.relnamespace WHERE rc.oid = k.confrelid) AS "referencedTable",
      (SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(k.confkey) WITH ORDINALITY u(attnum, position) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) AS "referencedColumns",
      k.conparentid <> 0 AS inherited
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1) AND k.contype IN ('p', 'u', 'c', 'x', 'f')
  ) k`;

const indexesSql = `
  SELECT coalesce(json_agg(i ORDER BY i.oid, i.definition), '[]') FROM (
    SELECT x.indrelid::bigint AS oid, pg_get_indexdef(x.indexrelid) AS definition
    FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
      AND NOT EXISTS (SELECT 1 FROM pg_inherits h WHERE h.inhrelid = x.indexrelid)
  ) i`;

const typesSql = `
  SELECT json_build_object(
    'enums', (SELECT coalesce(json_agg(e ORDER BY e.name), '[]') FROM (
      SELECT n.nspname || '.' || t.typname AS name, (SELECT json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid) AS labels
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'e' AND n.nspname = ANY ($1)) e),
    'domains', (SELECT coalesce(json_agg(d ORDER BY d.oid), '[]') FROM (
      SELECT t.oid::bigint AS oid, n.nspname || '.' || t.typname AS name,
        'CREATE DOMAIN ' || quote_ident(n.nspname) || '.' || quote_ident(t.typname) || ' AS ' || format_type(t.typbasetype, t.typtypmod)
        || coalesce(' DEFAULT ' || t.typdefault, '') || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
        || coalesce((SELECT string_agg(' CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid), '' ORDER BY k.conname) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '') AS definition
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'd' AND n.nspname = ANY ($1)) d),
    'composites', (SELECT coalesce(json_agg(ct.sql ORDER BY ct.oid), '[]') FROM (
      SELECT t.oid::bigint AS oid, 'CREATE TYPE ' || quote_ident(n.nspname) || '.' || quote_ident(t.typname) || ' AS (' ||
        (SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) || ')' AS sql
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c' WHERE t.typtype = 'c' AND n.nspname = ANY ($1)) ct),
    'functions', (SELECT coalesce(json_agg(f.sql ORDER BY f.oid), '[]') FROM (
      SELECT DISTINCT p.oid::bigint AS oid, pg_get_functiondef(p.oid) AS sql
      FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid AND d.refclassid = 'pg_proc'::regclass JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE d.classid IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass) AND n.nspname = ANY ($1) AND p.prokind = 'f') f),
    'sequences', (SELECT coalesce(json_agg(s ORDER BY s.name), '[]') FROM (
      SELECT n.nspname || '.' || c.relname AS name, format_type(q.seqtypid, NULL) AS type, q.seqincrement::text AS increment,
        (SELECT tn.nspname || '.' || tc.relname || '.' || a.attname FROM pg_depend d JOIN pg_class tc ON tc.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
          JOIN pg_attribute a ON a.attrelid = tc.oid AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1) AS "ownedBy",
        CASE WHEN has_sequence_privilege(c.oid, 'SELECT') THEN pg_sequence_last_value(c.oid)::text END AS "lastValue"
      FROM pg_sequence q JOIN pg_class c ON c.oid = q.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY ($1)) s),
    'extensions', (SELECT coalesce(json_agg(e ORDER BY e.name), '[]') FROM (
      SELECT x.extname AS name, x.extversion AS version, n.nspname AS schema FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace WHERE x.extname <> 'plpgsql') e))`;

type Row<T> = T & { oid: number };
interface Types {
  enums: EnumDescription[];
  domains: DomainDescription[];
  composites: string[];
  functions: string[];
  sequences: SequenceDescription[];
  extensions: SchemaDescription["extensions"];
}

export async function readSchema(client: Client, schemas: readonly string[]): Promise<SchemaDescription> {
  const parts = [tablesSql, columnsSql, constraintsSql, indexesSql, typesSql].map((sql) => `(${sql})`).join(", ");
  try {
    const { rows } = await client.query<string[]>({ text: `SELECT ${parts}`, values: [schemas], rowMode: "array" });
    const [tables, columns, constraints, indexes, types] = (rows[0] ?? []).map((text) => JSON.parse(text) as unknown);
    return assemble(
      tables as Row<TableDescription & { ownBytes: number }>[],
      columns as Row<ColumnDescription>[],
      constraints as Row<ForeignKey & { kind: string; inherited: boolean }>[],
      indexes as Row<{ definition: string }>[],
      types as Types,
    );
  } catch (error) {
    throw mapPostgresError(error, "reading the schema");
  }
}

function assemble(
  tables: Row<TableDescription & { ownBytes: number }>[],
  columns: Row<ColumnDescription>[],
  constraints: Row<ForeignKey & { kind: string; inherited: boolean }>[],
  indexes: Row<{ definition: string }>[],
  types: Types,
): SchemaDescription {
  const columnsOf = groupByTable(columns);
  const constraintsOf = groupByTable(constraints);
  const indexesOf = groupByTable(indexes);
  // A partitioned table holds nothing itself: its size is its partitions'.
  const sizes = new Map<string, { bytes: number; rows: number }>();
  for (const { partitionOf, ownBytes, estimatedRows } of tables) {
    if (partitionOf === null) continue;
    const sum = sizes.get(partitionOf) ?? { bytes: 0, rows: 0 };
    sizes.set(partitionOf, { bytes: sum.bytes + ownBytes, rows: sum.rows + estimatedRows });
  }
  const described = tables.map(({ oid, ownBytes, ...table }): TableDescription => {
    const own = constraintsOf.get(oid) ?? [];
    const partitions = sizes.get(table.name);
    return {
      ...table,
      columns: (columnsOf.get(oid) ?? []).map(
        ({ name, type, notNull, defaultSql, generated, identity, collation }) => ({
          name,
          type,
          notNull,
          defaultSql,
          generated,
          identity,
          collation,
        }),
      ),
      primaryKey: own.find((each) => each.kind === "p")?.columns ?? [],
      foreignKeys: own
        .filter((each) => each.kind === "f" && !each.inherited)
        .map(({ name, columns: from, referencedTable, referencedColumns, definition }) => ({
          name,
          columns: from,
          referencedTable,
          referencedColumns,
          definition,
        })),
      constraints: own
        .filter((each) => each.kind !== "f" && !each.inherited)
        .map(({ name, definition, kind }) => ({ name, definition, kind: kind as "p" | "u" | "c" | "x" })),
      indexes: (indexesOf.get(oid) ?? []).map((index) => index.definition),
      estimatedRows: partitions?.rows ?? table.estimatedRows,
      estimatedBytes: partitions?.bytes ?? ownBytes,
    };
  });
  return {
    tables: described,
    enums: types.enums,
    domains: types.domains.map(({ name, definition }) => ({ name, definition })),
    sequences: types.sequences,
    extensions: types.extensions,
    supportingSql: [...types.composites, ...types.functions],
  };
}

function groupByTable<T extends { oid: number }>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of rows) {
    const group = groups.get(row.oid);
    if (group === undefined) groups.set(row.oid, [row]);
    else group.push(row);
  }
  return groups;
}
