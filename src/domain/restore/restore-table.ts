// One table of a restore: the live table, and how the backup's rows lie over it.
import type { TableDescription, TableName } from "../schema.ts";
import type { StagedColumn } from "./map-table.ts";

export interface RestoreTable {
  readonly table: TableName;
  /** Names its staging tables; stable for one backup. */
  readonly number: number;
  readonly live: TableDescription;
  readonly columns: readonly StagedColumn[];
  readonly key: readonly string[];
  readonly unfilled: readonly string[];
  /** True for the organization's live rows of the table under `alias`. */
  readonly predicate: (alias: string) => string;
  /** The column that holds the organization's id in every row: a row tells by itself whose it is. Else null. */
  readonly organizationColumn: string | null;
  /** Other tables that tell which rows are the organization's. */
  readonly dependsOn: readonly TableName[];
  readonly drifted: boolean;
}
