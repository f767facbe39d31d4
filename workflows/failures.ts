// Workflows know failures by their code, which is the `type` of an ApplicationFailure; classes do not survive the way.
import { ApplicationFailure, TimeoutFailure, isCancellation } from "@temporalio/workflow";
import { isErrorCode, type ErrorCode } from "../src/domain/errors.ts";

function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let at: unknown = error; at instanceof Error && chain.length < 10; at = at.cause) chain.push(at);
  return chain;
}

/** The type that Temporal gives to an activity which its stopping worker ended. */
export const workerShutdown = "WorkerShutdown";

/** A retry on the same snapshot can't help; a new snapshot can. */
const lossCodes: readonly string[] = [
  "SnapshotLost",
  "BenchLost",
  "SnapshotBlocked",
  "SchemaChanging",
  "SourceUnreachable",
  "SequenceTaken",
  "TemporalUnreachable",
] satisfies ErrorCode[];

/** Passing faults of the store end a hold that has not begun; later ones are retried where they happen. */
const openingCodes: readonly string[] = ["StorageUnreachable", "ChecksumMismatch"] satisfies ErrorCode[];

export function needsNewSnapshot(error: unknown, holdHadBegun: boolean): boolean {
  if (isCancellation(error)) return false;
  return causes(error).some((cause) => {
    if (cause instanceof TimeoutFailure) return true;
    if (!(cause instanceof ApplicationFailure)) return false;
    const type = cause.type ?? "";
    return type === workerShutdown || lossCodes.includes(type) || (!holdHadBegun && openingCodes.includes(type));
  });
}

export const timedOut = (error: unknown): boolean => causes(error).some((cause) => cause instanceof TimeoutFailure);

/** `sequence`: of the manifest, when the run had written it before it failed. */
export function describeFailure(error: unknown, sequence: number | null = null): { code: ErrorCode; message: string } {
  const { code, message } = nameFailure(error);
  if (sequence === null) return { code, message };
  return { code, message: `Backup ${sequence} is stored, but the run did not end well. ${message}` };
}

export function nameFailure(
  error: unknown,
  whenCancelled = "The backup was cancelled; nothing of it is listed.",
): { code: ErrorCode; message: string } {
  if (isCancellation(error)) return { code: "Cancelled", message: whenCancelled };
  for (const cause of causes(error)) {
    if (cause instanceof ApplicationFailure && isErrorCode(cause.type))
      return { code: cause.type, message: cause.message };
    if (cause instanceof TimeoutFailure || (cause instanceof ApplicationFailure && cause.type === workerShutdown)) {
      return { code: "SnapshotLost", message: "A worker stopped answering, and no other could take over in time." };
    }
  }
  return {
    code: "Internal",
    message: "The run failed for a reason that has no name; the worker's log has the details.",
  };
}
