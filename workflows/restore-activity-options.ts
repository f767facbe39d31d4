// Time-outs and retries of a restore's activities. Repeating any of them is safe (src/ports/restore-target.ts).
import { proxyActivities, proxyLocalActivities } from "@temporalio/workflow";
import type { RestoreActivities, RestoreControlActivities } from "../activities/restore-contract.ts";
import { nonRetryableCodes } from "../src/domain/errors.ts";
import { taskQueues } from "../src/domain/backup-request.ts";

const nonRetryableErrorTypes = [...nonRetryableCodes];

export const restoreControl = proxyLocalActivities<RestoreControlActivities>({
  startToCloseTimeout: "20s",
  retry: {
    initialInterval: "200ms",
    backoffCoefficient: 2,
    maximumInterval: "30s",
    maximumAttempts: 10,
    nonRetryableErrorTypes,
  },
});

/** Attempts enough to outlast a restart of Postgres or of a worker, and a minute of rows that others keep changing. */
export const restores = proxyActivities<RestoreActivities>({
  taskQueue: taskQueues.restores,
  startToCloseTimeout: "2h",
  heartbeatTimeout: "30s",
  retry: {
    initialInterval: "500ms",
    backoffCoefficient: 2,
    maximumInterval: "30s",
    maximumAttempts: 10,
    nonRetryableErrorTypes,
  },
});

/** Compensation keeps trying for a day: an organization must not be left between two states because a server was down. */
export const compensation = proxyActivities<
  Pick<RestoreActivities, "dropStaging" | "failRestore" | "undoRestore" | "undoFiles" | "releaseRestore">
>({
  taskQueue: taskQueues.restores,
  startToCloseTimeout: "2h",
  heartbeatTimeout: "30s",
  scheduleToCloseTimeout: "24h",
  retry: {
    initialInterval: "1s",
    backoffCoefficient: 2,
    maximumInterval: "1m",
    nonRetryableErrorTypes: ["RollbackRefused", "RestoreNotFound"],
  },
});
