// Takes an applied restore back, on request: exactly, or not at all with the list of rows that changed since, or (partial)
// as far as it goes. lease → rows → files → report.
import { CancellationScope, patched, setCurrentDetails } from "@temporalio/workflow";
import type { RollbackOrder, RollbackOutcome } from "../src/domain/restore-run.ts";
import { nameFailure } from "./failures.ts";
import { compensation, restoreControl, restores } from "./restore-activity-options.ts";

export async function rollbackRestore(order: RollbackOrder): Promise<RollbackOutcome> {
  const { restoreId, organizationId, partial, requestedBy } = order;
  const key = { restoreId, organizationId };
  const startedMs = Date.now();
  setCurrentDetails(`Rolling back restore ${restoreId} of ${organizationId}, asked for by ${requestedBy}`);
  let fencingToken: number | null = null;
  try {
    ({ fencingToken } = await restoreControl.openRestore({ ...key, operation: "rollback" }));
    const token = fencingToken;
    const { tables, refused } = await restores.undoRestore({ ...key, partial });
    // Rows are undone: from here it is finished whatever happens, so that rows and files can't part ways.
    return await CancellationScope.nonCancellable(async () => {
      const files = await compensation.undoFiles(key);
      const outcome: RollbackOutcome = { ...key, tables, refused, files, durationMs: Date.now() - startedMs };
      await restoreControl.reportRollback({ outcome, requestedBy, fencingToken: token });
      const rows = tables.reduce((sum, each) => sum + each.inserted + each.updated + each.deleted, 0);
      setCurrentDetails(
        `**rolled back**: ${rows} rows, ${files.removed + files.putBack} files${refused.length === 0 ? "" : `; left: ${refused.map((each) => `${each.rows} rows of ${each.table} (${each.reason})`).join(", ")}`}`,
      );
      return outcome;
    });
  } catch (error) {
    const { code, message } = nameFailure(error, "The rollback was cancelled; the restore stays applied.");
    await CancellationScope.nonCancellable(async () => {
      if (fencingToken !== null) await compensation.releaseRestore({ ...key, fencingToken });
      if (patched("audit-rollbacks")) await restoreControl.recordRefusedRollback({ ...key, requestedBy, code });
    });
    setCurrentDetails(`**${code}**: ${message}`);
    throw error;
  }
}
