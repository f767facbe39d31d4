// What a recovery by two sessions has committed, by the numbers and names that the database gave: for whoever has to take it
// away again. Each session writes down what it made in the same transaction.
import type { MadeObject } from "../domain/made-object.ts";
import { quoteTable } from "../domain/sql-quoting.ts";
import { mapTargetError, type TargetDatabase } from "./target-database.ts";

export const recordTable = "made";

const recordIn = (schema: string): string => quoteTable(`${schema}.${recordTable}`);

export async function createRecord(target: TargetDatabase, schema: string): Promise<void> {
  await target.execute(
    `CREATE TABLE ${recordIn(schema)} (class_id oid NOT NULL, object_id oid NOT NULL, identity text NOT NULL, position bigint NOT NULL)`,
    "making the record",
  );
  await recordMade(target, schema, [{ kind: "relation", schema, name: recordTable }]);
}

/** In the order of their making. What the database refused to make is passed over. */
export async function recordMade(
  { client }: TargetDatabase,
  schema: string,
  made: readonly MadeObject[],
): Promise<void> {
  const columns = (["kind", "schema", "name"] as const).map((key) => made.map((each) => each[key]));
  await client.query(insertSql(schema), columns).catch((error: unknown) => {
    throw mapTargetError(error, "writing the record");
  });
}

export interface RecordedObject {
  /** As Postgres calls it: "table", "sequence", "type", "extension", "schema". */
  readonly type: string;
  /** Its name in SQL. */
  readonly identity: string;
}

/** What is recorded and still is the same object. Made last comes first. */
export async function readRecord({ client }: TargetDatabase, schema: string): Promise<readonly RecordedObject[]> {
  const { rows } = await client
    .query<{ type: string; identity: string }>(
      `SELECT i.type, i.identity FROM ${recordIn(schema)} AS m
       CROSS JOIN LATERAL pg_catalog.pg_identify_object(m.class_id, m.object_id, 0) AS i
       WHERE i.identity = m.identity ORDER BY m.position DESC`,
    )
    .catch((error: unknown) => {
      throw mapTargetError(error, "reading the record");
    });
  return rows;
}

/** @returns something in the working schemas of a recovery that it did not make, in words, or null. */
export async function findUnrecorded(
  { client }: TargetDatabase,
  schema: string,
  workingSchemas: readonly string[],
): Promise<string | null> {
  const { rows } = await client
    .query<{ found: string }>(unrecordedSql(schema), [workingSchemas])
    .catch((error: unknown) => {
      throw mapTargetError(error, "looking into the working schemas");
    });
  return rows[0]?.found ?? null;
}

const insertSql = (schema: string): string => `
  INSERT INTO ${recordIn(schema)}
  SELECT f.class_id, f.object_id, i.identity, made.position
  FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS made (kind, home, name, position)
  JOIN (
    SELECT 'relation' AS kind, n.nspname AS home, c.relname AS name, c.tableoid AS class_id, c.oid AS object_id
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    UNION ALL
    SELECT 'type', n.nspname, t.typname, t.tableoid, t.oid
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    UNION ALL
    SELECT 'extension', '', extname, tableoid, oid FROM pg_catalog.pg_extension
    UNION ALL
    SELECT 'schema', '', nspname, tableoid, oid FROM pg_catalog.pg_namespace
  ) AS f ON f.kind = made.kind AND f.home = made.home AND f.name = made.name
  CROSS JOIN LATERAL pg_catalog.pg_identify_object(f.class_id, f.object_id, 0) AS i`;

/** What belongs to something else (an identity column's sequence to its table) goes and stays with that. */
const unrecordedSql = (schema: string): string => `
  SELECT pg_catalog.pg_describe_object(d.classid, d.objid, 0) AS found
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_namespace n ON n.oid = d.refobjid AND n.nspname = ANY ($1::text[])
  CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
  WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend o WHERE o.classid = d.classid AND o.objid = d.objid AND o.deptype = 'i')
    AND NOT EXISTS (
      SELECT 1 FROM ${recordIn(schema)} AS m WHERE m.class_id = d.classid AND m.object_id = d.objid AND m.identity = i.identity)
  ORDER BY 1 LIMIT 1`;
