// What a trigger at a time starts (the start itself is delayed by Temporal). Like a policy's run, it joins nothing: when a
// backup of the organization is under way at that moment, it says so and ends.
import { WorkflowExecutionAlreadyStartedError } from "@temporalio/common";
import { executeChild } from "@temporalio/workflow";
import { backupWorkflowId, type BackupRequest } from "../src/domain/backup-request.ts";
import { backupOrganization } from "./backup-organization.ts";
import type { PolicyRun } from "./run-policy.ts";

export async function runTriggeredBackup(request: BackupRequest): Promise<PolicyRun> {
  try {
    const outcome = await executeChild(backupOrganization, {
      workflowId: backupWorkflowId(request.organizationId),
      args: [request],
      staticSummary: `backup of ${request.organizationId} (asked for by ${request.requestedBy})`,
    });
    return { ran: true, outcome };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError)
      return { ran: false, reason: "a backup of the organization was running already" };
    throw error;
  }
}
