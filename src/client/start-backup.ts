// Starts a backup of an organization, follows it, and cancels it. The workflow id is the organization's, so asking twice
// joins the run that is under way instead of starting a second.
import {
  type Client,
  type WorkflowHandle,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowIdConflictPolicy,
} from "@temporalio/client";
import { ActivityFailure, ApplicationFailure, CancelledFailure, ChildWorkflowFailure } from "@temporalio/common";
import {
  backupPriority,
  backupWorkflowId,
  taskQueues,
  type BackupOutcome,
  type BackupRequest,
} from "../domain/backup-request.ts";
import { BackupError, isErrorCode } from "../domain/errors.ts";
import type { BackupProgress } from "../domain/progress.ts";
import { searchAttributesOf } from "./search-attributes.ts";

export interface StartedBackup {
  readonly backupId: string;
  readonly workflowId: string;
  /** True when a run was under way already; its request counts, not this one. */
  readonly joined: boolean;
}

export async function requestBackup(
  client: Client,
  asked: Pick<BackupRequest, "organizationId" | "trigger" | "requestedBy"> & Partial<BackupRequest>,
): Promise<StartedBackup> {
  const request: BackupRequest = { policyId: null, dataSets: null, proof: "content", ...asked };
  const workflowId = backupWorkflowId(request.organizationId);
  for (;;) {
    try {
      const started = await client.workflow.start("backupOrganization", {
        workflowId,
        taskQueue: taskQueues.control,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
        args: [request],
        staticSummary: `backup of ${request.organizationId} (${request.trigger})`,
        priority: backupPriority(request),
        typedSearchAttributes: searchAttributesOf({
          organizationId: request.organizationId,
          policyId: request.policyId,
          operation: "backup",
        }),
      });
      return { backupId: started.firstExecutionRunId, workflowId, joined: false };
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const { runId, status } = await client.workflow.getHandle(workflowId).describe();
      // It may have ended meanwhile: then there is nothing to join, and this request gets its own run.
      if (status.name === "RUNNING") return { backupId: runId, workflowId, joined: true };
    }
  }
}

/** Each look is a query that a worker answers between its other work. */
const pollMs = 1_000;

/**
 * Waits for the run's end.
 * @throws BackupError with the run's own code; Cancelled when it was cancelled.
 */
export async function followBackup(
  client: Client,
  started: Pick<StartedBackup, "workflowId" | "backupId">,
  onProgress?: (progress: BackupProgress) => void,
): Promise<BackupOutcome> {
  const handle = client.workflow.getHandle(started.workflowId, started.backupId);
  const watch = onProgress === undefined ? null : watchProgress(handle, onProgress);
  try {
    return (await handle.result()) as BackupOutcome;
  } catch (error) {
    throw asBackupError(error);
  } finally {
    watch?.stop();
  }
}

function watchProgress(handle: WorkflowHandle, onProgress: (progress: BackupProgress) => void): { stop(): void } {
  let asking = false;
  let stopped = false;
  const look = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    try {
      const progress = await handle.query<BackupProgress>("progress");
      if (!stopped) onProgress(progress);
    } catch {
      // A query needs a live worker; while there is none there is nothing to show, and the run's result still counts.
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(() => void look(), pollMs);
  return {
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

export async function cancelBackup(
  client: Client,
  started: Pick<StartedBackup, "workflowId" | "backupId">,
): Promise<void> {
  await client.workflow.getHandle(started.workflowId, started.backupId).cancel();
}

/** The run's failure under its own name. */
export function asBackupError(
  error: unknown,
  whenCancelled = "The backup was cancelled; nothing of it is listed.",
): BackupError {
  if (!(error instanceof WorkflowFailedError)) {
    return error instanceof BackupError
      ? error
      : new BackupError(
          "TemporalUnreachable",
          "The Temporal server stopped answering while the run was followed; the run itself goes on.",
          {},
          { cause: error },
        );
  }
  for (let at: unknown = error.cause; at instanceof Error; at = at.cause) {
    if (at instanceof CancelledFailure) return new BackupError("Cancelled", whenCancelled);
    if (at instanceof ApplicationFailure && isErrorCode(at.type)) return new BackupError(at.type, at.message);
    if (!(at instanceof ActivityFailure || at instanceof ApplicationFailure || at instanceof ChildWorkflowFailure))
      break;
  }
  return new BackupError(
    "Internal",
    "The backup failed for a reason that has no name; see the worker's log and the Temporal Web UI.",
    {},
    { cause: error },
  );
}
