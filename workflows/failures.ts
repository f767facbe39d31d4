// Workflows know failures by their code, which is the `type` of an ApplicationFailure; classes do not survive the way.
import { ActivityFailure, ApplicationFailure, TimeoutFailure, isCancellation } from "@temporalio/workflow";
import { isErrorCode, type ErrorCode } from "../src/domain/errors.ts";

function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let at: unknown = error; at instanceof Error && chain.length < 10; at = at.cause) chain.push(at);
  return chain;
}

/** Lost with its worker or its holder: a new snapshot helps, a retry on the same one can't. */
export function isSnapshotLoss(error: unknown): boolean {
  if (isCancellation(error)) return false;
  return causes(error).some(
    (cause) =>
      (cause instanceof ApplicationFailure && (cause.type === "SnapshotLost" || cause.type === "BenchLost" || cause.type === "SnapshotBlocked")) ||
      (cause instanceof TimeoutFailure && error instanceof ActivityFailure),
  );
}

export function describeFailure(error: unknown): { code: ErrorCode; message: string } {
  if (isCancellation(error)) return { code: "Cancelled", message: "The backup was cancelled; nothing of it is listed." };
  for (const cause of causes(error)) {
    if (cause instanceof ApplicationFailure && isErrorCode(cause.type)) return { code: cause.type, message: cause.message };
    if (cause instanceof TimeoutFailure) {
      return { code: "SnapshotLost", message: "A worker stopped answering, and no other could take over in time." };
    }
  }
  return { code: "Internal", message: "The run failed for a reason that has no name; the worker's log has the details." };
}
