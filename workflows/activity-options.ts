// Time-outs and retries of each class of activity. What must hold: a retry never repeats a finished effect, and an error
// whose code is not retryable (src/domain/errors.ts) fails at once.
import { proxyActivities, proxyLocalActivities, type ActivityInterfaceFor } from "@temporalio/workflow";
import type {
  BenchActivities,
  ControlActivities,
  QueuedActivities,
  SnapshotActivities,
} from "../activities/contract.ts";
import { nonRetryableCodes } from "../src/domain/errors.ts";
import { workerShutdown } from "./failures.ts";
import { taskQueues } from "../src/domain/backup-request.ts";

const nonRetryableErrorTypes = [...nonRetryableCodes];

/** Local: a task each would cost a small backup a third of its time. They only touch the control tables. */
export const control = proxyLocalActivities<
  Pick<ControlActivities, "authorizeBackup" | "readPolicy" | "readPrerequisites" | "recordSkippedRun">
>({
  startToCloseTimeout: "20s",
  retry: {
    initialInterval: "200ms",
    backoffCoefficient: 2,
    maximumInterval: "30s",
    maximumAttempts: 10,
    nonRetryableErrorTypes,
  },
});

export const queued = proxyActivities<QueuedActivities>({
  startToCloseTimeout: "2h",
  heartbeatTimeout: "30s",
  retry: {
    initialInterval: "500ms",
    backoffCoefficient: 2,
    maximumInterval: "1m",
    maximumAttempts: 8,
    nonRetryableErrorTypes,
  },
});

/**
 * Cleaning up is tried for ten minutes: with the store down for longer, people must still learn that the backup failed.
 * What is left then costs room and nothing else.
 */
export const compensation = proxyActivities<Pick<QueuedActivities, "findSealedBackup" | "rollBackUploads">>({
  startToCloseTimeout: "10m",
  heartbeatTimeout: "30s",
  scheduleToCloseTimeout: "10m",
  retry: { initialInterval: "500ms", backoffCoefficient: 2, maximumInterval: "30s", nonRetryableErrorTypes },
});

/** Closing a job keeps trying for a day: how a run ended must not be forgotten because the control tables were down. */
export const closing = proxyLocalActivities<Pick<ControlActivities, "reportBackup" | "closeFailedBackup">>({
  startToCloseTimeout: "20s",
  scheduleToCloseTimeout: "24h",
  retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "1m", nonRetryableErrorTypes },
});

/** One attempt: a second hold would be another snapshot, and that is for the workflow to decide. */
export const snapshots = proxyActivities<SnapshotActivities>({
  taskQueue: taskQueues.snapshots,
  startToCloseTimeout: "6h",
  heartbeatTimeout: "15s",
  retry: { maximumAttempts: 1 },
});

/**
 * A dead worker does not answer on its own queue, so scheduleToStart fires and the run starts again elsewhere. It must
 * be longer than the longest the bench makes a batch wait for memory.
 */
export function onBench(benchQueue: string): ActivityInterfaceFor<BenchActivities> {
  return proxyActivities<BenchActivities>({
    taskQueue: benchQueue,
    scheduleToStartTimeout: "30s",
    startToCloseTimeout: "30m",
    heartbeatTimeout: "15s",
    retry: {
      initialInterval: "200ms",
      backoffCoefficient: 2,
      maximumInterval: "20s",
      maximumAttempts: 8,
      // Neither passes by asking the same bench again.
      nonRetryableErrorTypes: [...nonRetryableErrorTypes, "SequenceTaken", workerShutdown],
    },
  });
}
