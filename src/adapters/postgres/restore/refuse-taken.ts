// Rows of the backup that can't come back, for somebody else holds their key or a unique value of theirs.
import { BackupError } from "../../../domain/errors.ts";
import { decisionOf } from "../../../domain/restore/operation-sql.ts";
import type { ApplyOptions } from "../../../ports/restore-target.ts";
import type { KeptDifference } from "./difference.ts";
import type { RestoreContext } from "./restore-context.ts";

/** But for those that people decided to leave out. @throws RestoreConflict */
export async function refuseTaken(
  { session, staging, plan, restoreId }: RestoreContext,
  difference: KeptDifference,
  options: ApplyOptions,
): Promise<void> {
  const lines: string[] = [];
  for (const { table, taken } of difference.tables) {
    const planned = plan.tables.find((each) => each.table === table);
    if (taken === 0 || planned === undefined) continue;
    const kept =
      options.strategy === "prompt"
        ? await session.count(
            `SELECT count(*) FROM ${staging.table("d", planned.number)} AS d JOIN wedsync_restore.conflicts AS c ON c.restore_id = ${restoreId} AND c.number = d.number WHERE d.kind = 'taken' AND ${decisionOf(options.defaultDecision)} = 'keep live'`,
            `looking at taken rows of ${table}`,
          )
        : 0;
    if (kept < taken) lines.push(`${table}: ${taken - kept} rows`);
  }
  if (lines.length === 0) return;
  throw new BackupError(
    "RestoreConflict",
    `These rows can't come back, for their key or a unique value is held by a row that this restore may not touch; nothing was written:\n- ${lines.join("\n- ")}\nLook at them in the dry run (kind "taken"); leave them out by choosing tables or records, or by the decision to keep live.`,
    { tables: lines },
  );
}
