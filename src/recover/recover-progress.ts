// What both ways of recovering tell while they run, and say at their end.
export interface RecoverProgress {
  readonly phase: "rows" | "files" | "keys" | "proof";
  /** The table; "" where all are meant. */
  readonly table: string;
  readonly rows: number;
  /** Raw bytes so far, and how many there are. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export const neverInBackups =
  "triggers, views, row-level security policies, grants and comments: backups hold tables, their rows and keys";
