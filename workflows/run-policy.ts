// What a policy's Temporal Schedule starts. The backup is a child under the organization's fixed id: when one is already
// running (from another policy, the CLI or the facade), this run is skipped, and says so.
import { WorkflowExecutionAlreadyStartedError } from "@temporalio/common";
import {
  ApplicationFailure,
  executeChild,
  log,
  ParentClosePolicy,
  patched,
  proxyLocalActivities,
  setCurrentDetails,
  sleep,
  startChild,
} from "@temporalio/workflow";
import type { PruneControlActivities } from "../activities/prune-contract.ts";
import {
  backupPriority,
  backupWorkflowId,
  type BackupOutcome,
  type BackupRequest,
} from "../src/domain/backup-request.ts";
import { judgePrerequisites, type SkippedRun } from "../src/domain/policy.ts";
import { pruneWorkflowId } from "../src/domain/prune-run.ts";
import { control } from "./activity-options.ts";
import { backupOrganization } from "./backup-organization.ts";
import { describeFailure } from "./failures.ts";
import { pruneBackups } from "./prune-backups.ts";
import { searchAttributesOf } from "./search-attributes.ts";

export type PolicyRun = { ran: true; outcome: BackupOutcome } | { ran: false; reason: string };

export async function runBackupPolicy(input: { policyId: string; organizationId: string }): Promise<PolicyRun> {
  const asked = await control.readPolicy({ policyId: input.policyId });
  if (asked === null) {
    await recordSkip(input, "PolicyNotFound");
    return { ran: false, reason: "the policy is gone or paused" };
  }
  try {
    await waitForPrerequisites(input.policyId);
  } catch (error) {
    if (describeFailure(error).code === "PrerequisiteFailed") await recordSkip(input, "PrerequisiteFailed");
    throw error;
  }
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
    if (patched("retention")) await startRetention(input);
    return { ran: true, outcome };
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      await recordSkip(input, "OrganizationBusy");
      return { ran: false, reason: "a backup of the organization was running already" };
    }
    // Refused before it had a job: nothing else says that its time had come.
    const { code } = describeFailure(error);
    if (code === "OrganizationErased" || code === "OrganizationBusy") await recordSkip(input, code);
    throw error;
  }
}

async function recordSkip(
  { policyId, organizationId }: { policyId: string; organizationId: string },
  code: SkippedRun["code"],
): Promise<void> {
  if (patched("audit-skips")) await control.recordSkippedRun({ policyId, organizationId, code });
}

/** Nights overlap: a prerequisite that has not begun yet is given this long. */
const patienceMs = 6 * 60 * 60 * 1000;

/** @throws PrerequisiteFailed with the first of them that failed, or when one takes longer than the patience. */
async function waitForPrerequisites(policyId: string): Promise<void> {
  const sinceMs = Date.now();
  for (let pauseMs = 5_000; ; pauseMs = Math.min(5 * 60_000, pauseMs * 2)) {
    const judged = judgePrerequisites(await control.readPrerequisites({ policyId }));
    if (judged.verdict === "run") return;
    const isLate = Date.now() - sinceMs > patienceMs;
    if (judged.verdict === "fail" || isLate) {
      const what = judged.verdict === "fail" ? `failed: ${judged.because.join(", ")}` : "did not run in time";
      throw ApplicationFailure.nonRetryable(`What this policy waits for ${what}.`, "PrerequisiteFailed");
    }
    setCurrentDetails("waits for the policies that must run before it");
    await sleep(pauseMs);
  }
}

const retention = proxyLocalActivities<Pick<PruneControlActivities, "isPruneDue">>({
  startToCloseTimeout: "20s",
  retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumAttempts: 3 },
});

/**
 * Stage 11, retain, in a run of its own: the backup is done, whatever becomes of older ones. Asked of the control tables
 * first, because on most nights of most organizations there is nothing to let go.
 */
async function startRetention({
  policyId,
  organizationId,
}: {
  policyId: string;
  organizationId: string;
}): Promise<void> {
  try {
    if (!(await retention.isPruneDue({ organizationId }))) return;
    await startChild(pruneBackups, {
      workflowId: pruneWorkflowId(organizationId),
      args: [{ organizationId, requestedBy: policyId, forgetMissing: false, graceMs: null }],
      staticSummary: `retention of ${organizationId} by policy`,
      typedSearchAttributes: searchAttributesOf({ organizationId, policyId }, "prune"),
      priority: { priorityKey: 5, fairnessKey: organizationId.slice(0, 64) },
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
  } catch (error) {
    // The next night tries again; the backup itself went well.
    log.warn("retention was not started", { reason: describeFailure(error).code });
  }
}
