// What a policy's Temporal Schedule starts. The backup is a child under the organization's fixed id: when one is already
// running (from another policy, the CLI or the facade), this run is skipped, and says so.
import { WorkflowExecutionAlreadyStartedError } from "@temporalio/common";
import { executeChild, ParentClosePolicy } from "@temporalio/workflow";
import {
  backupPriority,
  backupWorkflowId,
  type BackupOutcome,
  type BackupRequest,
} from "../src/domain/backup-request.ts";
import { control } from "./activity-options.ts";
import { backupOrganization } from "./backup-organization.ts";
import { searchAttributesOf } from "./search-attributes.ts";

export type PolicyRun = { ran: true; outcome: BackupOutcome } | { ran: false; reason: string };

export async function runBackupPolicy(input: { policyId: string; organizationId: string }): Promise<PolicyRun> {
  const asked = await control.readPolicy({ policyId: input.policyId });
  if (asked === null) return { ran: false, reason: "the policy is gone or paused" };
  const request: BackupRequest = {
    organizationId: input.organizationId,
    policyId: input.policyId,
    trigger: "schedule",
    requestedBy: input.policyId,
    ...asked,
  };
  try {
    const outcome = await executeChild(backupOrganization, {
      workflowId: backupWorkflowId(input.organizationId),
      args: [request],
      staticSummary: `backup of ${input.organizationId} by policy`,
      typedSearchAttributes: searchAttributesOf(request),
      priority: backupPriority(request),
      // Also when the policy's run is ended by force, the backup gets to clean up after itself.
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    });
    return { ran: true, outcome };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      return { ran: false, reason: "a backup of the organization was running already" };
    }
    throw error;
  }
}
