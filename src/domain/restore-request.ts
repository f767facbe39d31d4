// What a restore is asked to do, what it found, and what it answers. All of it travels through workflow history: ids,
// counts and names of tables only; never a value of a row. Rows are told by a number within the restore.
import type { TableName } from "./schema.ts";

/**
 * overwrite: the backup's row wins. skip: only missing rows come back. merge: column by column, see
 * src/domain/conflict-merge.ts. prompt: each changed row waits for a decision.
 */
export type ConflictStrategy = "overwrite" | "skip" | "merge" | "prompt";

/** What becomes of rows that exist only live: keep them, or mirror the backup (they are removed). */
export type LiveOnly = "keep" | "mirror";

/** In a copy under another organization id, values that still hold an id of the one that was copied: stop, or say so. */
export type LeftOverIds = "stop" | "report";

export type Decision = "take backup" | "keep live" | "merge";

/** One record, with its dependants and the parents that it needs. Key values in primary key order, as text. */
export interface RecordSelection {
  readonly table: TableName;
  readonly key: readonly string[];
}

export interface RestoreSelection {
  /** Null = all data sets. */
  readonly dataSets: readonly string[] | null;
  /** Null = every table of the data sets. */
  readonly tables: readonly TableName[] | null;
  /** Null = every row of the tables. A record's key may be personal: it is handed over by reference, see `recordsRef`. */
  readonly records: readonly RecordSelection[] | null;
}

export const everything: RestoreSelection = { dataSets: null, tables: null, records: null };

/** Counts of one table. "taken": the key is held by a row of another organization, or a unique value by a row that stays. */
export interface TableDifference {
  readonly table: TableName;
  readonly missing: number;
  readonly changed: number;
  readonly same: number;
  readonly liveOnly: number;
  readonly taken: number;
  /** With prompt: rows that wait for a decision. Tables without primary key have none. */
  readonly undecided?: number;
}

/** How the live schema differs from the backup's, where it matters for the tables that are restored. */
export interface DriftEntry {
  readonly table: TableName;
  readonly column: string | null;
  readonly what:
    | "column added"
    | "column dropped"
    | "column renamed"
    | "column retyped"
    | "column became NOT NULL"
    | "enum value gone"
    | "table gone"
    | "key changed"
    | "generated changed";
  /** blocks: the restore is refused, by name, before anything is touched. */
  readonly effect: "handled" | "blocks";
  /** For people: what happens, or what to do. */
  readonly message: string;
}

export interface AppliedTable {
  readonly table: TableName;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly unchanged: number;
}
