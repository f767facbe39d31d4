import type { SchemaDescription } from "./schema.ts";

/** Equal text = equal schema. Leaves out what changes without anyone changing the schema: statistics, sequence values. */
export function canonicalSchema(schema: SchemaDescription): string {
  const tables = schema.tables.map(({ estimatedRows: _rows, estimatedBytes: _bytes, ...table }) => table);
  const sequences = schema.sequences.map(({ lastValue: _value, ...sequence }) => sequence);
  return JSON.stringify({ ...schema, tables, sequences });
}
