// For an erasure: nothing that restores of the organization kept stays here. Not the undo log, not the plans, conflicts
// and keys of copies, not a staging schema that was left behind.
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
    const doing = "deleting undo logs";
    const isMade = (name: string): Promise<string | null> =>
      session.value("SELECT to_regclass($1) IS NOT NULL", doing, [`wedsync_restore.${name}`]);
    if ((await isMade("restores")) !== "t") return { undoRows: 0 };
    // Also those that the control tables have forgotten.
    const known = await session.rows(
      "SELECT restore_id FROM wedsync_restore.restores WHERE organization_id = $1",
      doing,
      [organizationId],
    );
    const ids = [...restoreIds, ...known.map((row) => row["restore_id"])];
    let undoRows = 0;
    // The restores last: a second attempt finds by them what the first one left.
    for (const table of ["undo", "undo_inserts", "conflicts", "clones", "clone_numbers", "restores"]) {
      if ((await isMade(table)) !== "t") continue;
      if (table === "undo_inserts")
        undoRows += Number(
          await session.value(
            "SELECT coalesce(sum(cardinality(keys)), 0) FROM wedsync_restore.undo_inserts WHERE restore_id = ANY ($1)",
            doing,
            [ids],
          ),
        );
      const deleted = await session.execute(`DELETE FROM wedsync_restore.${table} WHERE restore_id = ANY ($1)`, doing, [
        ids,
      ]);
      if (table === "undo") undoRows += deleted;
    }
    return { undoRows };
  } finally {
    await session.close();
  }
}
