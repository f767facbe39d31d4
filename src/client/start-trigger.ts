// A backup that is asked for now and runs at a time: a workflow that starts late. Temporal keeps it, so that it survives
// restarts of everything else.
import { type Client, WorkflowIdConflictPolicy, WorkflowNotFoundError } from "@temporalio/client";
import { taskQueues, type BackupRequest } from "../domain/backup-request.ts";
import { askTemporal } from "./ask-temporal.ts";
import { searchAttributesOf } from "./search-attributes.ts";

export const triggerWorkflowId = (organizationId: string, triggerId: string): string =>
  `backup-trigger/${organizationId}/${triggerId}`;

export async function startTriggerAt(
  client: Client,
  triggerId: string,
  request: BackupRequest,
  at: Date,
): Promise<{ workflowId: string }> {
  const { organizationId, policyId } = request;
  const workflowId = triggerWorkflowId(organizationId, triggerId);
  await askTemporal(client, () =>
    client.workflow.start("runTriggeredBackup", {
      workflowId,
      taskQueue: taskQueues.control,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
      startDelay: Math.max(0, at.getTime() - Date.now()),
      args: [request],
      staticSummary: `backup of ${organizationId} at ${at.toISOString()}`,
      typedSearchAttributes: searchAttributesOf({ organizationId, policyId, operation: "trigger" }),
    }),
  );
  return { workflowId };
}

export type TriggerState = "waiting" | "running" | "completed" | "failed" | "cancelled" | "forgotten";

/** "forgotten": Temporal keeps finished runs for its retention time only. */
export async function describeTrigger(client: Client, workflowId: string, runAt: Date): Promise<TriggerState> {
  try {
    const { status } = await askTemporal(client, () => client.workflow.getHandle(workflowId).describe());
    if (status.name === "RUNNING") return runAt.getTime() > Date.now() ? "waiting" : "running";
    if (status.name === "COMPLETED") return "completed";
    return status.name === "CANCELLED" || status.name === "TERMINATED" ? "cancelled" : "failed";
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return "forgotten";
    throw error;
  }
}

/** Only before it runs; a running backup is cancelled as a job. False when it is too late. */
export async function cancelTrigger(client: Client, workflowId: string, runAt: Date): Promise<boolean> {
  if ((await describeTrigger(client, workflowId, runAt)) !== "waiting") return false;
  // A workflow that has not begun has nothing to clean up.
  await askTemporal(client, () => client.workflow.getHandle(workflowId).terminate("cancelled before its time"));
  return true;
}
