// Names of what a restore makes in the database. One letter for each kind of working table, and the table's number.
//
//   s  the backup's rows        o  keys of rows that only come back if they are missing (parents that a record needs)
//   l  keys and references of live rows that were cut loose from a record that comes back
//   b  the later backup's rows, for a three-way merge
//   d  the difference           w  what is written: operation and key
//   v  the values of updates    u  rows as they were before        p  rows that are taken out and put back
//   h  keys and hashes of rows that were inserted, for the undo log
import { quoteIdentifier } from "../sql-quoting.ts";

export type StagingKind = "s" | "o" | "l" | "b" | "d" | "e" | "w" | "v" | "u" | "p" | "h";

/** Quoted. `restoreHex` is the restore's id in hex digits, at most 32. */
export const stagingSchema = (restoreHex: string): string => quoteIdentifier(`wedsync_restore_${restoreHex}`);

/** Working tables of one restore; every name comes quoted. */
export class Staging {
  readonly schema: string;

  constructor(schema: string) {
    this.schema = schema;
  }

  table(kind: StagingKind, number: number): string {
    return `${this.schema}.${kind}${number}`;
  }

  /** Tables of the restore itself: what was staged, whether a crash emptied it, the numbers of differences. */
  get facts(): string {
    return `${this.schema}.facts`;
  }

  get marker(): string {
    return `${this.schema}.marker`;
  }

  /** Of a copy under another organization id: old keys with their new ones, and old names of files. */
  get keys(): string {
    return `${this.schema}.keys`;
  }

  get paths(): string {
    return `${this.schema}.paths`;
  }

  get numbers(): string {
    return `${this.schema}.numbers`;
  }
}
