// What can't be restored as another organization's, told by name before anything is made.
import type { TableName } from "../schema.ts";

export interface CloneProblem {
  readonly table: TableName;
  readonly message: string;
}

export function problemOf(table: TableName, columns: readonly string[], why: string): CloneProblem {
  const places = columns.map((column) => `${table}.${column}`).join(", ");
  return { table, message: `${places}: ${why}` };
}
