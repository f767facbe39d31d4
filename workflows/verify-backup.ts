// Proves a stored backup, on request or on a schedule of its own: integrity, content, consistency, or a restore test. Only
// reads what is stored; needs no lease.
import {
  ApplicationFailure,
  executeChild,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  upsertSearchAttributes,
  uuid4,
} from "@temporalio/workflow";
import type { RestoreActivities } from "../activities/restore-contract.ts";
import type { VerifyActivities, VerifyControlActivities } from "../activities/verify-contract.ts";
import { taskQueues } from "../src/domain/backup-request.ts";
import { nonRetryableCodes } from "../src/domain/errors.ts";
import { verifyWorkflowId, type VerifyOrder, type VerifyOutcome } from "../src/domain/verify-run.ts";
import { nameFailure } from "./failures.ts";

const nonRetryableErrorTypes = [...nonRetryableCodes];
const activities = proxyActivities<VerifyActivities & Pick<RestoreActivities, "chooseBackup">>({
  taskQueue: taskQueues.restores,
  startToCloseTimeout: "6h",
  heartbeatTimeout: "30s",
  retry: {
    initialInterval: "1s",
    backoffCoefficient: 2,
    maximumInterval: "1m",
    maximumAttempts: 8,
    nonRetryableErrorTypes,
  },
});
const control = proxyLocalActivities<VerifyControlActivities>({
  startToCloseTimeout: "20s",
  retry: {
    initialInterval: "200ms",
    backoffCoefficient: 2,
    maximumInterval: "30s",
    maximumAttempts: 10,
    nonRetryableErrorTypes,
  },
});

/** Its result tells what was found; a backup that could not be proven also fails the run, so that it is seen. */
export async function verifyBackup(order: VerifyOrder): Promise<VerifyOutcome> {
  const startedMs = Date.now();
  const { verificationId, organizationId, level, part } = order;
  const what = `${level} of ${organizationId}${part === null ? "" : `, part ${part.number} of ${part.of}`}`;
  setCurrentDetails(`proving ${what}, asked for by ${order.requestedBy}`);
  const backup = await activities.chooseBackup({ organizationId, choice: order.choice, mergeBase: null });
  upsertSearchAttributes({ BackupId: [backup.backupId] });
  const proof = await activities.proveBackup({ order, backup });
  const { backupId, sequence } = backup;
  const durationMs = Date.now() - startedMs;
  const outcome: VerifyOutcome = { ...proof, verificationId, organizationId, backupId, sequence, part, durationMs };
  setCurrentDetails(renderProof(what, outcome));
  const [first] = proof.problems;
  if (first !== undefined)
    throw ApplicationFailure.create({
      type: "BackupUnproven",
      message: `${proof.problemCount} objects of backup ${sequence} could not be proven, the first: ${first.key} (${first.code}).`,
      nonRetryable: true,
      details: [outcome],
    });
  return outcome;
}

/** Started by a policy's verification schedule: the newest backup at its level, and the next part of all stored bytes. */
export async function runVerificationPolicy(input: {
  policyId: string;
  organizationId: string;
}): Promise<{ ran: boolean; reason?: string }> {
  const { policyId, organizationId } = input;
  const asked = await control.readVerificationPolicy({ policyId });
  if (asked === null) return { ran: false, reason: "the policy is gone or paused, or asks for no verification" };
  const common = { organizationId, choice: { by: "latest" }, requestedBy: policyId } as const;
  const orders: Omit<VerifyOrder, "verificationId">[] = [{ ...common, level: "integrity", part: asked.part }];
  if (asked.level !== "integrity") orders.push({ ...common, level: asked.level, part: null });
  let failure: unknown = null;
  for (const order of orders) {
    const verificationId = uuid4();
    try {
      await executeChild(verifyBackup, {
        workflowId: verifyWorkflowId({ organizationId, verificationId }),
        args: [{ ...order, verificationId }],
        staticSummary: `${order.level} of ${organizationId} by policy`,
      });
    } catch (error) {
      // One that finds something must not keep the other from looking.
      if (nameFailure(error).code !== "BackupUnproven") throw error;
      failure ??= error;
    }
  }
  if (failure !== null) throw failure as Error;
  return { ran: true };
}

function renderProof(what: string, outcome: VerifyOutcome): string {
  const lines = [
    outcome.problemCount === 0
      ? `**proven**: ${what}, backup ${outcome.sequence}`
      : `**${outcome.problemCount} problems**: ${what}`,
    "",
    `- objects: ${outcome.objects}; bytes: ${outcome.bytes}; rows: ${outcome.rows}`,
  ];
  if (outcome.restoreSeconds !== null) lines.push(`- restored in ${outcome.restoreSeconds.toFixed(1)} s`);
  for (const problem of outcome.problems) lines.push(`- ${problem.code} ${problem.key}: ${problem.message}`);
  for (const { title, offending } of outcome.rules)
    if (offending > 0) lines.push(`- rule broken by ${offending} rows: ${title}`);
  return lines.join("\n");
}
