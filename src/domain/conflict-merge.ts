// The strategy "merge": what becomes of a row, column by column. L is the live row, B the backup's, D the row right after
// the damage, from a later backup.
//
// Three-way, where there is a D: a column that nobody touched since the damage (L = D) gets the backup's value; one that
// the damage did not touch (D = B) keeps what people wrote since; where both changed, that is a conflict, and the live
// value stays. B can't be target and base at once: it is the ancestor of L, and every column would keep L.
//
//   Anna's notes were "vegan" (B). An import overwrote notes and phone of all guests: "" and "?" (D). Later a planner set
//   her phone to "0171 55" (L). Merged: notes "vegan" again (untouched since), phone "0171 55" (a conflict, live stays).
//
// Rows follow the same rule. Gone with the damage (not in D): comes back. Still in D and gone now: people removed it, and
// it stays away. Live only: kept, or with "mirror" removed, but only if it is as it was in D; what people made since stays.
//
// Two-way, without a D, nobody can tell damage from work. Only what is empty is filled: a column that is NULL live and not
// NULL in the backup. Everything else keeps live. This can bring back what people emptied on purpose, so the result says
// that it is lossy.
type Value = string | null;
type Row = Readonly<Record<string, Value>>;

export interface MergedRow {
  readonly values: Row;
  /** Columns that both sides changed, each in its own way. */
  readonly conflicts: readonly string[];
}

/** Values as text. The SQL of src/domain/restore/merge-sql.ts does the same; a test holds the two together. */
export function mergeRow(backup: Row, live: Row, damaged: Row | null): MergedRow {
  const values: Record<string, Value> = {};
  const conflicts: string[] = [];
  for (const [column, old] of Object.entries(backup)) {
    const now = live[column] ?? null;
    if (damaged === null) {
      values[column] = now ?? old;
      continue;
    }
    const then = damaged[column] ?? null;
    values[column] = now === then ? old : now;
    if (now !== then && then !== old && now !== old) conflicts.push(column);
  }
  return { values, conflicts };
}
