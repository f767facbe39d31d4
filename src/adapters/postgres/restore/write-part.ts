// One table's part in what a restore or a rollback writes: how many rows, and how.
import { BackupError } from "../../../domain/errors.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";

/** The rows are those of the table's working table w. */
export interface WritePart {
  readonly table: RestoreTable;
  inserted: number;
  updated: number;
  deleted: number;
  /** Columns that at least one update changes. */
  changed: readonly string[];
  parked: number;
  /** Every row of s is inserted, and nothing else is done: w is s, and once that is proven s stands for what was written. */
  readonly insertsAll: boolean;
  /** Updates may be merged, with these columns of the later backup; null there = two-way. */
  readonly merge: { readonly baseNames: readonly string[] | null } | null;
  /** Rows in which both sides changed a column. */
  mergeConflicts: number;
}

export const startPart = (
  table: RestoreTable,
  more: Partial<Pick<WritePart, "inserted" | "insertsAll" | "merge">> = {},
): WritePart => ({
  table,
  inserted: 0,
  updated: 0,
  deleted: 0,
  changed: [],
  parked: 0,
  insertsAll: false,
  merge: null,
  mergeConflicts: 0,
  ...more,
});

export function expectRows({ table }: WritePart, expected: number, written: number): void {
  if (written === expected) return;
  throw new BackupError(
    "RestoreInvalid",
    `${table.table}: ${written} rows were written where ${expected} were planned (a trigger or a rule?); nothing was committed.`,
    { table: table.table, written, expected },
  );
}
