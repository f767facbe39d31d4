// Sessions of the facade say that they read a backup, so that retention leaves it alone meanwhile.
import type { Queryable } from "./control-database.ts";

/** Of the session's own organization. False: retention has let it go. */
export async function holdBoundBackup(
  bound: Queryable,
  { sequence, reader, seconds }: { sequence: number; reader: string; seconds: number },
): Promise<boolean> {
  const [row] = await bound.query<{ held: boolean }>("SELECT backup.hold_bound_backup($1, $2, $3) AS held", [
    sequence,
    reader,
    seconds,
  ]);
  return row?.held === true;
}
