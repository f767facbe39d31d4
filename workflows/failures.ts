// Workflows know failures by their code, which is the `type` of an ApplicationFailure; classes do not survive the way.
import { ApplicationFailure, TimeoutFailure, isCancellation } from "@temporalio/workflow";
import { isErrorCode, type ErrorCode } from "../src/domain/errors.ts";

function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let at: unknown = error; at instanceof Error && chain.length < 10; at = at.cause) chain.push(at);
  return chain;
}

/** A retry on the same snapshot can't help; a new snapshot can. */
const lossCodes: readonly string[] = [
  "SnapshotLost",
  "BenchLost",
  "SnapshotBlocked",
  "SchemaChanging",
  "SourceUnreachable",
] satisfies ErrorCode[];

/** Passing faults of the store end a hold that has not begun; later ones are retried where they happen. */
const openingCodes: readonly string[] = ["StorageUnreachable", "ChecksumMismatch"] satisfies ErrorCode[];

export function needsNewSnapshot(error: unknown, holdHadBegun: boolean): boolean {
  if (isCancellation(error)) return false;
  return causes(error).some((cause) => {
    if (cause instanceof TimeoutFailure) return true;
    if (!(cause instanceof ApplicationFailure)) return false;
    const type = cause.type ?? "";
    return lossCodes.includes(type) || (!holdHadBegun && openingCodes.includes(type));
  });
}

export function describeFailure(error: unknown): { code: ErrorCode; message: string } {
  if (isCancellation(error))
    return { code: "Cancelled", message: "The backup was cancelled; nothing of it is listed." };
  for (const cause of causes(error)) {
    if (cause instanceof ApplicationFailure && isErrorCode(cause.type))
      return { code: cause.type, message: cause.message };
    if (cause instanceof TimeoutFailure) {
      return { code: "SnapshotLost", message: "A worker stopped answering, and no other could take over in time." };
    }
  }
  return {
    code: "Internal",
    message: "The run failed for a reason that has no name; the worker's log has the details.",
  };
}
