// The app's tables; partitions are read through their parent.
import type { SchemaDescription, TableDescription } from "./schema.ts";
import { splitTable } from "./sql-quoting.ts";

export function ownTables(schema: SchemaDescription, schemas: readonly string[]): readonly TableDescription[] {
  const known = new Set(schema.tables.map((table) => table.name));
  return schema.tables.filter(
    ({ name, partitionOf }) =>
      (partitionOf === null || !known.has(partitionOf)) && schemas.includes(splitTable(name).schema),
  );
}
