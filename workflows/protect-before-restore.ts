// The backup that is made right before rows are written: what a restore takes away can always be had again.
import { WorkflowExecutionAlreadyStartedError } from "@temporalio/common";
import { executeChild, isCancellation, ParentClosePolicy, sleep } from "@temporalio/workflow";
import { backupWorkflowId, type BackupRequest } from "../src/domain/backup-request.ts";
import type { RestoreOrder } from "../src/domain/restore-run.ts";
import { backupOrganization } from "./backup-organization.ts";
import { searchAttributesOf } from "./search-attributes.ts";
import { nameFailure } from "./failures.ts";

interface Protection {
  readonly sequence: number | null;
  readonly notes: readonly string[];
}

export async function protectBeforeRestore(order: RestoreOrder, exists: boolean): Promise<Protection> {
  const { restoreId, organizationId, requestedBy } = order;
  if (!order.preRestoreBackup) return { sequence: null, notes: ["no backup was made before it, as asked"] };
  if (order.target === "other" || order.targetOrganizationId !== organizationId)
    return {
      sequence: null,
      notes: ["no backup was made before it: the target is not the organization that is backed up"],
    };
  const didNotExist: Protection = {
    sequence: null,
    notes: ["no backup was made before it: the organization did not exist"],
  };
  if (!exists) return didNotExist;
  const request: BackupRequest = {
    organizationId,
    policyId: null,
    trigger: "restore",
    requestedBy,
    dataSets: null,
    proof: "content",
    restoreId,
  };
  for (let tries = 1; ; tries++) {
    try {
      const { sequence } = await executeChild(backupOrganization, {
        workflowId: backupWorkflowId(organizationId),
        args: [request],
        staticSummary: `backup of ${organizationId} right before a restore`,
        typedSearchAttributes: searchAttributesOf(request),
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      });
      return { sequence, notes: [] };
    } catch (error) {
      if (isCancellation(error)) throw error;
      // A run that asked for the lease in vain is about to end; the workflow id is free then.
      if (error instanceof WorkflowExecutionAlreadyStartedError && tries < 60) {
        await sleep(2_000);
        continue;
      }
      if (nameFailure(error, "").code !== "OrganizationNotFound") throw error;
      return didNotExist;
    }
  }
}
