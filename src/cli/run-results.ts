// What came of backup runs: an outcome each, or a failure with its name.
import type { BackupOutcome } from "../domain/backup-request.ts";
import { BackupError, type ErrorCode } from "../domain/errors.ts";

export interface FailedRun {
  readonly organizationId: string;
  readonly error: { readonly code: ErrorCode; readonly message: string };
}

export type BackupRun = BackupOutcome | FailedRun;

export const isFailed = (run: BackupRun): run is FailedRun => "error" in run;

export function exitCodeOf(runs: readonly BackupRun[]): number {
  const failed = runs.find(isFailed);
  if (failed !== undefined) return new BackupError(failed.error.code, "").kind.exitCode;
  return runs.some((run) => !isFailed(run) && run.status === "incomplete")
    ? new BackupError("BackupIncomplete", "").kind.exitCode
    : 0;
}
