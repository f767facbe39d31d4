// One statement of those that make a backup's tables again, and what to do when the database refuses it.
import type { MadeObject } from "./made-object.ts";
import type { TableName } from "./schema.ts";
import { splitTable } from "./sql-quoting.ts";

export interface DdlStep {
  /** For reports and errors: "table public.guests". */
  readonly subject: string;
  readonly sql: string;
  /** The table of the backup that it makes a part of; null = shared, or made of several. */
  readonly table: TableName | null;
  /** null where it makes only a part of something, or nobody knows what. */
  readonly makes: MadeObject | null;
  /** What to do when the database refuses: rows must come back even where a default or a key can't. */
  readonly ifRefused: "fail" | "leave out" | { readonly sql: string; readonly leftOut: string };
}

export const step = (
  subject: string,
  sql: string,
  ifRefused: DdlStep["ifRefused"],
  table: TableName | null = null,
): DdlStep => ({ subject, sql, table, makes: null, ifRefused });

/** What a statement makes that makes a table or a sequence. */
export const relation = (name: TableName): MadeObject => ({ kind: "relation", ...splitTable(name) });
