// Starts a restore or a rollback, follows it, answers it, cancels it. The workflow id holds the restore's own id, so asking
// twice for the same restore is one restore.
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from "@temporalio/client";
import { ApplicationFailure } from "@temporalio/common";
import { taskQueues } from "../domain/backup-request.ts";
import { BackupError, isErrorCode } from "../domain/errors.ts";
import type { Decision } from "../domain/restore-request.ts";
import {
  restoreWorkflowId,
  rollbackWorkflowId,
  type RestoreOrder,
  type RestoreOutcome,
  type RestoreProgress,
  type RollbackOrder,
  type RollbackOutcome,
} from "../domain/restore-run.ts";
import { searchAttributesOf } from "./search-attributes.ts";
import { asBackupError } from "./start-backup.ts";

type RestoreId = Pick<RestoreOrder, "restoreId" | "organizationId">;

/** The restore's row must be there already (src/control/restores.ts). */
export async function requestRestore(client: Client, order: RestoreOrder): Promise<void> {
  const what = order.dryRun ? "dry run of a restore" : "restore";
  const how = order.strategy === "prompt" ? "people decide conflicts" : order.strategy;
  const summary = `${what} of ${order.organizationId}: ${how}`;
  await startOnce(client, "restoreOrganization", restoreWorkflowId(order), order, summary);
}

export async function requestRollback(client: Client, order: RollbackOrder): Promise<void> {
  await startOnce(
    client,
    "rollbackRestore",
    rollbackWorkflowId(order),
    order,
    `rollback of restore ${order.restoreId} of ${order.organizationId}`,
  );
}

async function startOnce(
  client: Client,
  type: "restoreOrganization" | "rollbackRestore",
  workflowId: string,
  order: RestoreOrder | RollbackOrder,
  staticSummary: string,
): Promise<void> {
  const { organizationId } = order;
  const operation = type === "rollbackRestore" ? "rollback" : "restore";
  try {
    await client.workflow.start(type, {
      workflowId,
      taskQueue: taskQueues.control,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
      // A rollback that was refused may be asked for again, with `partial`.
      workflowIdReusePolicy:
        type === "rollbackRestore"
          ? WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
          : WorkflowIdReusePolicy.REJECT_DUPLICATE,
      args: [order],
      staticSummary,
      // Before every backup that waits: somebody stands beside it.
      priority: { priorityKey: 1, fairnessKey: organizationId.slice(0, 64) },
      typedSearchAttributes: searchAttributesOf({ organizationId, policyId: null, operation }),
    });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return;
    throw unreachable(error);
  }
}

/** How far it is; null while no worker answers. @throws RestoreNotFound */
export async function readRestoreProgress(client: Client, restore: RestoreId): Promise<RestoreProgress | null> {
  try {
    return await client.workflow.getHandle(restoreWorkflowId(restore)).query<RestoreProgress>("restoreProgress");
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw notFound(restore);
    return null; // a query needs a live worker
  }
}

/** Waits for its end. @throws BackupError with the run's own code. */
export async function followRestore(client: Client, restore: RestoreId): Promise<RestoreOutcome> {
  try {
    return (await client.workflow.getHandle(restoreWorkflowId(restore)).result()) as RestoreOutcome;
  } catch (error) {
    throw asBackupError(error, "The restore was cancelled; nothing of it remains.");
  }
}

export async function followRollback(client: Client, restore: RestoreId): Promise<RollbackOutcome> {
  try {
    return (await client.workflow.getHandle(rollbackWorkflowId(restore)).result()) as RollbackOutcome;
  } catch (error) {
    throw asBackupError(error, "The rollback was cancelled; the restore stays applied.");
  }
}

/** `updateId`: the same one twice is one update. @throws DecisionInvalid, RestoreNotFound */
export async function decideConflicts(
  client: Client,
  restore: RestoreId,
  decisions: readonly { readonly number: number; readonly decision: Decision }[],
  updateId?: string,
): Promise<{ undecided: number }> {
  return await update(client, restore, "decide", [{ decisions }], updateId);
}

export async function decideRemainingConflicts(
  client: Client,
  restore: RestoreId,
  rest: { readonly table: string | null; readonly decision: Decision },
  updateId?: string,
): Promise<{ undecided: number }> {
  return await update(client, restore, "decideRest", [rest], updateId);
}

export async function approveRestore(client: Client, restore: RestoreId, by: string): Promise<void> {
  await update(client, restore, "approve", [{ by }]);
}

export async function finishDryRun(client: Client, restore: RestoreId): Promise<void> {
  await update(client, restore, "finishDryRun", []);
}

export async function cancelRestore(client: Client, restore: RestoreId): Promise<void> {
  try {
    await client.workflow.getHandle(restoreWorkflowId(restore)).cancel();
  } catch (error) {
    throw error instanceof WorkflowNotFoundError ? notFound(restore) : unreachable(error);
  }
}

async function update<T>(
  client: Client,
  restore: RestoreId,
  name: string,
  args: unknown[],
  updateId?: string,
): Promise<T> {
  const handle = client.workflow.getHandle(restoreWorkflowId(restore));
  try {
    const options = { args: args as [unknown], ...(updateId === undefined ? {} : { updateId }) };
    return await handle.executeUpdate<T, [unknown]>(name, options);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw notFound(restore);
    if (!(error instanceof WorkflowUpdateFailedError)) throw unreachable(error);
    for (let at: unknown = error.cause; at instanceof Error; at = at.cause)
      if (at instanceof ApplicationFailure && isErrorCode(at.type)) throw new BackupError(at.type, at.message);
    throw new BackupError("DecisionInvalid", "The restore did not take it: it is over, or was cancelled.");
  }
}

const notFound = ({ restoreId }: RestoreId): BackupError =>
  new BackupError("RestoreNotFound", `There is no restore ${restoreId} under way. See: wedsync-backup restores`);

const unreachable = (error: unknown): BackupError =>
  error instanceof BackupError
    ? error
    : new BackupError("TemporalUnreachable", "The Temporal server does not answer.", {}, { cause: error });
