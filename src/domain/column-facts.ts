// What a table's description says of one of its columns.
import type { TableDescription } from "./schema.ts";

export const typeOf = (table: TableDescription | undefined, name: string): string | undefined =>
  table?.columns.find((column) => column.name === name)?.type;

export const isNotNull = (table: TableDescription, name: string): boolean =>
  table.columns.find((column) => column.name === name)?.notNull === true;
