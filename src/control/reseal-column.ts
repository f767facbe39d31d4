// Sealing what lies in a column anew, by another key.
import type { Queryable } from "./control-database.ts";

export interface SealedColumn {
  readonly table: "backup.notification_targets" | "backup.backup_restores";
  readonly key: string;
  readonly column: string;
}

/**
 * `reseal` gives null for what is sealed as it should be. What was changed meanwhile is left alone. Safe to repeat.
 * @returns the keys of the rows that it changed
 */
export async function resealColumn(
  owner: Queryable,
  { table, key, column }: SealedColumn,
  reseal: (key: string, sealed: string) => Promise<string | null>,
): Promise<readonly string[]> {
  const rows = await owner.query<{ id: string; sealed: string }>(
    `SELECT ${key} AS id, ${column} AS sealed FROM ${table} WHERE ${column} IS NOT NULL`,
  );
  const changed: string[] = [];
  for (const { id, sealed } of rows) {
    const again = await reseal(id, sealed);
    if (again === null) continue;
    await owner.query(`UPDATE ${table} SET ${column} = $3 WHERE ${key} = $1 AND ${column} = $2`, [id, sealed, again]);
    changed.push(id);
  }
  return changed;
}
