// Pieces of SQL about rows. Keys are compared with =, as the primary key's index does; everything else by its image (*<>):
// IS DISTINCT FROM calls 1.10 = 1.1 and a citext A = a equal, and json has no = at all.
import { fromTable } from "../membership-sql.ts";
import { quoteIdentifier } from "../sql-quoting.ts";
import type { StagedColumn } from "./map-table.ts";
import type { RestoreTable } from "./restore-table.ts";

export const restoredColumns = (table: RestoreTable): readonly StagedColumn[] =>
  table.columns.filter((column) => column.liveType !== null);

export const restoredNames = (table: RestoreTable): readonly string[] =>
  restoredColumns(table).map((column) => column.name);

/** Live columns that hold values of their own. */
export const storedNames = (table: RestoreTable): readonly string[] =>
  table.live.columns.filter((column) => column.generated === null).map((column) => column.name);

export const columnOf = (alias: string, name: string): string => `${alias}.${quoteIdentifier(name)}`;

export const columnsOf = (alias: string, names: readonly string[]): string =>
  names.map((name) => columnOf(alias, name)).join(", ");

export const columnList = (names: readonly string[]): string => names.map(quoteIdentifier).join(", ");

/** k1, k2, … in working tables, so that no column name can collide with theirs. */
export const keyNames = (table: RestoreTable): readonly string[] => table.key.map((_, index) => `k${index + 1}`);

/** Key columns of a row (live or staged) equal those of a working table. */
export const keyMatches = (row: string, work: string, table: RestoreTable): string =>
  table.key.map((name, index) => `${columnOf(row, name)} = ${work}.k${index + 1}`).join(" AND ");

export const rowsMatch = (a: string, b: string, table: RestoreTable): string =>
  table.key.map((name) => `${columnOf(a, name)} = ${columnOf(b, name)}`).join(" AND ");

export const keysMatch = (a: string, b: string, table: RestoreTable): string =>
  keyNames(table)
    .map((name) => `${a}.${name} = ${b}.${name}`)
    .join(" AND ");

/** Without the casts, Postgres would compare column by column, with an operator *<> that single types do not have. */
export const imageDiffers = (a: string, b: string, names: readonly string[]): string =>
  names.length === 0 ? "false" : `ROW(${columnsOf(a, names)})::record *<> ROW(${columnsOf(b, names)})::record`;

/** A whole row as text; the same text = the same row, under the connection's pinned settings. */
export const rowText = (alias: string): string => `(${alias}.*)::text`;

/** A row of a table without primary key, as far as it is restored. */
export const wholeRowText = (alias: string, table: RestoreTable): string =>
  `ROW(${columnsOf(alias, restoredNames(table))})::text`;

export const keyText = (work: string, table: RestoreTable): string =>
  `ARRAY[${keyNames(table)
    .map((name) => `${work}.${name}::text`)
    .join(", ")}]::text[]`;

/** The live table itself; rows of tables that inherit from it are not its own. */
export const liveTable = (table: RestoreTable): string => fromTable(table.live);

/** The organization's live rows. */
export const liveRows = (table: RestoreTable, alias: string): string =>
  `${liveTable(table)} AS ${alias} WHERE ${table.predicate(alias)}`;
