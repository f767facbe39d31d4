// The edge between activities and Temporal: the one place where an error becomes a failure in workflow history. History
// and the Web UI are read by many; so only a BackupError's own words cross, and an unforeseen error crosses as "Internal"
// with its class name alone (a driver's message can quote a row).
import { ApplicationFailure, CancelledFailure, CompleteAsyncError, Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import type { ActivityLog } from "./dependencies.ts";

export function asFailure(error: unknown, log: ActivityLog, activity: string): unknown {
  if (error instanceof CancelledFailure || error instanceof CompleteAsyncError || error instanceof ApplicationFailure)
    return error;
  if (isAbort(error)) return new CancelledFailure("aborted");
  if (error instanceof BackupError) {
    log.warn("activity failed", { activity, code: error.code, message: error.message });
    return ApplicationFailure.create({
      type: error.code,
      message: error.message,
      nonRetryable: !error.kind.retryable,
      details: [error.details],
    });
  }
  const name = error instanceof Error ? error.constructor.name : typeof error;
  log.error("activity failed for a reason that has no name", {
    activity,
    name,
    code: vendorCode(error),
    frames: framesOf(error),
  });
  return ApplicationFailure.create({
    type: "Internal",
    message: `unexpected ${name} in ${activity}`,
    nonRetryable: false,
  });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError" && Context.current().cancellationSignal.aborted;
}

function vendorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

/** The stack without its first line, which repeats the message. */
function framesOf(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack
    .split("\n")
    .filter((line) => line.trimStart().startsWith("at "))
    .slice(0, 8);
}

// eslint-disable-next-line typescript/no-explicit-any -- activities differ in their parameters; only their names and results are passed on
type AnyActivities = Record<string, (...parameters: any[]) => Promise<unknown>>;

export function atTheEdge<T extends AnyActivities>(activities: T, log: ActivityLog): T {
  const wrapped = Object.entries(activities).map(([name, run]) => [
    name,
    async (...parameters: unknown[]) => {
      try {
        return await run(...parameters);
      } catch (error) {
        throw asFailure(error, log, name);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}
