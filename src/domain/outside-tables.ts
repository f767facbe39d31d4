// Tables in schemas that the catalogue does not list, and that hang on an organization all the same: nothing of them is
// read, so the catalogue must say that this is meant.
import type { SchemaDescription, TableName } from "./schema.ts";
import { splitTable } from "./sql-quoting.ts";

interface OutsideTable {
  readonly name: TableName;
  /** Its schema. */
  readonly schema: string;
  /** The organizations' tables that it leads to. */
  readonly leadsTo: readonly TableName[];
}

/** Those that lead to one of `members`, by name. */
export function findOutsideTables(
  schema: SchemaDescription,
  members: { has(table: TableName): boolean },
): readonly OutsideTable[] {
  const parentOf = new Map(schema.tables.map(({ name, partitionOf }) => [name, partitionOf]));
  const wholeOf = (table: TableName): TableName => {
    const parent = parentOf.get(table);
    return parent && parentOf.has(parent) ? wholeOf(parent) : table;
  };
  const found = new Map<TableName, Set<TableName>>();
  for (const { table, leadsTo } of schema.outside ?? []) {
    const target = wholeOf(leadsTo);
    if (members.has(target)) found.set(table, (found.get(table) ?? new Set()).add(target));
  }
  return [...found].map(([name, targets]) => ({ name, schema: splitTable(name).schema, leadsTo: [...targets] }));
}
