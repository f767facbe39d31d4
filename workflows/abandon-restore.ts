// The end of a restore that failed or was cancelled: staging goes first (that waits for an apply that still runs, and lets
// none begin), then files and rows are undone, then the row is closed and the lease given back.
import { ApplicationFailure } from "@temporalio/workflow";
import type { ErrorCode } from "../src/domain/errors.ts";
import type { ChosenBackup, RestoreOrder } from "../src/domain/restore-run.ts";
import { nameFailure } from "./failures.ts";
import { compensation } from "./restore-activity-options.ts";

interface AbandonedRun {
  readonly order: RestoreOrder;
  readonly fencingToken: number | null;
  readonly backup: ChosenBackup | null;
  readonly stagingBegun: boolean;
  readonly applyBegun: boolean;
  readonly filesBegun: boolean;
}

/** @returns what an operator reads about it. */
export async function abandonRestore(
  run: AbandonedRun,
  failure: { code: ErrorCode; message: string },
): Promise<string> {
  const { restoreId, organizationId } = run.order;
  const key = { restoreId, organizationId };
  if (run.stagingBegun) await compensation.dropStaging(key);
  const undone = run.applyBegun ? await undo(key, run.filesBegun) : "never applied";
  const status =
    undone === "undone"
      ? "rolled_back"
      : undone === "refused"
        ? "applied"
        : failure.code === "Cancelled"
          ? "cancelled"
          : "failed";
  const message =
    undone === "undone"
      ? `${failure.message} What it had written was rolled back.`
      : undone === "refused"
        ? `${failure.message} It stays applied: rows were changed since, and rolling back would lose those changes. See: wedsync-backup rollback ${restoreId} --partial`
        : failure.message;
  await compensation.failRestore({
    ...key,
    fencingToken: run.fencingToken,
    status,
    code: failure.code,
    message,
    backup: run.backup,
  });
  return `**${failure.code}**: ${message}`;
}

async function undo(
  key: { restoreId: string; organizationId: string },
  filesBegun: boolean,
): Promise<"undone" | "never applied" | "refused"> {
  try {
    const { wasApplied } = await compensation.undoRestore({ ...key, partial: false });
    // Files after rows: while rows name them, they stay.
    if (filesBegun) await compensation.undoFiles(key);
    return wasApplied ? "undone" : "never applied";
  } catch (error) {
    if (nameFailure(error, "").code === "RollbackRefused") return "refused";
    throw error instanceof Error ? error : ApplicationFailure.nonRetryable("undoing failed", "Internal");
  }
}
