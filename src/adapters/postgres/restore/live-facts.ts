// What the database itself enforces on the tables that are written: read from pg_catalog, for all schemas. A table
// outside the app's schemas may refer to one of theirs, and would be left with orphans.
import type { LiveForeignKey } from "../../../domain/restore/proof-sql.ts";
import type { UniqueIndex } from "../../../domain/restore/unique-sql.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { RestoreSession } from "./restore-session.ts";

export interface LiveFacts {
  readonly foreignKeys: readonly LiveForeignKey[];
  readonly uniqueIndexes: ReadonlyMap<TableName, readonly UniqueIndex[]>;
  readonly hasInputCheck: boolean;
}

const nameOf = (oid: string): string =>
  `(SELECT nn.nspname || '.' || cc.relname FROM pg_class cc JOIN pg_namespace nn ON nn.oid = cc.relnamespace WHERE cc.oid = ${oid})`;

const names = (table: string, numbers: string): string =>
  `(SELECT json_agg(a.attname ORDER BY x.position) FROM unnest(${numbers}) WITH ORDINALITY x(number, position) JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = x.number)`;

const foreignKeysSql = `
  SELECT coalesce(json_agg(k ORDER BY k.table, k.name), '[]') FROM (
    SELECT k.conname AS name, ${nameOf("k.conrelid")} AS table, ${names("k.conrelid", "k.conkey")} AS columns,
      ${nameOf("k.confrelid")} AS "referencedTable", ${names("k.confrelid", "k.confkey")} AS "referencedColumns",
      k.confmatchtype = 'f' AS "matchFull", k.condeferrable AS deferrable,
      ${nameOf("CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid ELSE c.oid END")} AS "rootTable",
      has_table_privilege(k.confrelid, 'UPDATE') AS "mayLockParent",
      c.relkind = 'p' AS "isPartitioned", (SELECT pc.relkind = 'p' FROM pg_class pc WHERE pc.oid = k.confrelid) AS "parentIsPartitioned"
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.contype = 'f' AND k.conparentid = 0) k`;

const uniqueIndexesSql = `
  SELECT coalesce(json_agg(i ORDER BY i.table, i.name), '[]') FROM (
    SELECT ${nameOf("x.indrelid")} AS table, c.relname AS name,
      (SELECT json_agg(pg_get_indexdef(x.indexrelid, p, false) ORDER BY p) FROM generate_series(1, x.indnkeyatts) p) AS expressions,
      (SELECT json_agg(format('OPERATOR(%I.%s)', n.nspname, o.oprname) ORDER BY e.position) FROM pg_constraint k
        CROSS JOIN LATERAL unnest(k.conexclop) WITH ORDINALITY e(oid, position) JOIN pg_operator o ON o.oid = e.oid
        JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE k.conindid = x.indexrelid AND k.conrelid = x.indrelid) AS operators,
      pg_get_expr(x.indpred, x.indrelid) AS condition,
      coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false) AS "nullsEqual", NOT x.indimmediate AS deferrable,
      (SELECT coalesce(json_agg(DISTINCT a.attname), '[]') FROM pg_attribute a WHERE a.attrelid = x.indrelid AND a.attnum > 0 AND (a.attnum = ANY (x.indkey)
        OR EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = x.indrelid AND d.refobjsubid = a.attnum))) AS columns
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    WHERE (x.indisunique AND NOT (x.indisprimary AND x.indimmediate) OR x.indisexclusion) AND x.indislive AND ${nameOf("x.indrelid")} = ANY ($1)) i`;

export async function readLiveFacts(session: RestoreSession, tables: readonly TableName[]): Promise<LiveFacts> {
  const doing = "reading keys and indexes";
  const [row] = await session.rows(
    `SELECT (${foreignKeysSql}) AS keys, (${uniqueIndexesSql}) AS indexes, current_setting('server_version_num')::int >= 160000 AS modern`,
    doing,
    [tables],
  );
  const indexes = JSON.parse(row?.["indexes"] ?? "[]") as (UniqueIndex & { table: TableName })[];
  const wanted = new Set(tables);
  const keys = JSON.parse(row?.["keys"] ?? "[]") as LiveForeignKey[];
  return {
    foreignKeys: keys.filter((key) => wanted.has(key.rootTable) || wanted.has(key.referencedTable)),
    uniqueIndexes: Map.groupBy(indexes, (index) => index.table),
    hasInputCheck: row?.["modern"] === "t",
  };
}
