// What a column's values are like where it matters for their new keys; a domain is what it is made of.
import type { ColumnDescription, SchemaDescription, TableDescription } from "../schema.ts";
import { sequenceColumns } from "./sequence-columns.ts";
import { baseTypeName } from "./type-difference.ts";

export type PlainType = "uuid" | "number" | "text" | null;

export function plainTypeOf(schema: SchemaDescription, type: string): PlainType {
  if (type === "uuid") return "uuid";
  if (/^(smallint|integer|bigint)$/.test(type)) return "number";
  if (/^(text|character( varying)?(\(\d+\))?|(.+\.)?citext)$/.test(type)) return "text";
  const domain = schema.domains.find(({ name }) => name === baseTypeName(type));
  if (domain === undefined || type.endsWith("]")) return null;
  const [, base] =
    /^CREATE DOMAIN .+? AS ((?:"(?:[^"]|"")*"|[\w.])+(?: varying)?(?:\(\d+\))?)(?= |$)/s.exec(domain.definition) ?? [];
  return base === undefined || base === type ? null : plainTypeOf(schema, base);
}

/** Quoted as in the schema's description: "schema.name". */
export function sequenceOf(
  schema: SchemaDescription,
  table: TableDescription,
  column: ColumnDescription,
): string | null {
  const owned = sequenceColumns(schema, table).find((each) => each.column === column.name);
  if (owned !== undefined) return owned.sequence;
  // Not owned, but drawn from by default.
  const [, drawn] = /^nextval\('((?:[^']|'')+)'::regclass\)$/.exec(column.defaultSql ?? "") ?? [];
  if (drawn === undefined) return null;
  return schema.sequences.find(({ name }) => name === baseTypeName(drawn.replaceAll("''", "'")))?.name ?? null;
}
