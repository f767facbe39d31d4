// Starts a run of retention on one organization, or joins the one that is under way, and waits for what it did.
import { type Client, WorkflowIdConflictPolicy } from "@temporalio/client";
import { taskQueues } from "../domain/backup-request.ts";
import { pruneWorkflowId, type PruneOrder, type PruneOutcome } from "../domain/prune-run.ts";
import { searchAttributesOf } from "./search-attributes.ts";
import { asBackupError } from "./start-backup.ts";

export async function runPrune(
  client: Client,
  asked: Pick<PruneOrder, "organizationId" | "requestedBy"> & Partial<PruneOrder>,
): Promise<PruneOutcome> {
  const order: PruneOrder = { forgetMissing: false, graceMs: null, ...asked };
  const { organizationId } = order;
  try {
    const handle = await client.workflow.start("pruneBackups", {
      workflowId: pruneWorkflowId(organizationId),
      taskQueue: taskQueues.control,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
      args: [order],
      staticSummary: `retention of ${organizationId}`,
      priority: { priorityKey: 5, fairnessKey: organizationId.slice(0, 64) },
      typedSearchAttributes: searchAttributesOf({ organizationId, policyId: null, operation: "prune" }),
    });
    return (await handle.result()) as PruneOutcome;
  } catch (error) {
    throw asBackupError(error, "The prune was cancelled.");
  }
}
