// For an erasure: nothing that restores of the organization kept stays here. Not the undo log, not the plans and conflicts,
// not a staging schema that was left behind.
import { stagingOf } from "./restore-context.ts";
import { RestoreSession } from "./restore-session.ts";

/** @throws RestoreTargetUnreachable, RestoreTargetRefused */
export async function forgetRestores(
  url: string,
  organizationId: string,
  restoreIds: readonly string[],
): Promise<{ undoRows: number }> {
  const session = await RestoreSession.open(url);
  try {
    for (const restoreId of restoreIds)
      await session.execute(
        `DROP SCHEMA IF EXISTS ${stagingOf(restoreId).schema} CASCADE`,
        "dropping a staging schema that was left",
      );
    const isMade = await session.value(
      "SELECT to_regclass('wedsync_restore.conflicts') IS NOT NULL",
      "looking for undo logs",
    );
    if (isMade !== "t") return { undoRows: 0 };
    const doing = "deleting undo logs";
    await session.execute("BEGIN", doing);
    // Also those that the control tables have forgotten.
    const ids = await session.rows(
      "SELECT restore_id FROM wedsync_restore.restores WHERE organization_id = $1 UNION SELECT unnest($2::text[])",
      doing,
      [organizationId, restoreIds],
    );
    const parameters = [ids.map((row) => row["restore_id"])];
    const undoRows = await session.execute(
      "DELETE FROM wedsync_restore.undo WHERE restore_id = ANY ($1)",
      doing,
      parameters,
    );
    for (const table of ["conflicts", "restores"])
      await session.execute(`DELETE FROM wedsync_restore.${table} WHERE restore_id = ANY ($1)`, doing, parameters);
    await session.execute("COMMIT", doing);
    return { undoRows };
  } finally {
    await session.close();
  }
}
