// Starts a verification of a stored backup and waits for what it finds.
import { type Client, WorkflowFailedError } from "@temporalio/client";
import { ApplicationFailure } from "@temporalio/common";
import { taskQueues } from "../domain/backup-request.ts";
import { verifyWorkflowId, type VerifyOrder, type VerifyOutcome } from "../domain/verify-run.ts";
import { searchAttributesOf } from "./search-attributes.ts";
import { asBackupError } from "./start-backup.ts";

export type VerificationRequest = Pick<VerifyOrder, "organizationId" | "choice" | "level" | "requestedBy"> &
  Partial<VerifyOrder>;

export async function requestVerification(client: Client, asked: VerificationRequest): Promise<VerifyOrder> {
  const order: VerifyOrder = { verificationId: globalThis.crypto.randomUUID(), part: null, ...asked };
  const { organizationId, level } = order;
  await client.workflow.start("verifyBackup", {
    workflowId: verifyWorkflowId(order),
    taskQueue: taskQueues.control,
    args: [order],
    staticSummary: `${level} of ${organizationId}`,
    priority: { priorityKey: 3, fairnessKey: organizationId.slice(0, 64) },
    typedSearchAttributes: searchAttributesOf({ organizationId, policyId: null, operation: "verification" }),
  });
  return order;
}

/** A backup that could not be proven is an outcome, too. @throws BackupError when it could not be looked at. */
export async function followVerification(
  client: Client,
  order: Pick<VerifyOrder, "organizationId" | "verificationId">,
): Promise<VerifyOutcome> {
  try {
    return (await client.workflow.getHandle(verifyWorkflowId(order)).result()) as VerifyOutcome;
  } catch (error) {
    const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
    if (cause instanceof ApplicationFailure && cause.type === "BackupUnproven" && cause.details?.[0] !== undefined)
      return cause.details[0] as VerifyOutcome;
    throw asBackupError(error, "The verification was cancelled.");
  }
}
