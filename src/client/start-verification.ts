// Starts a verification of a stored backup and waits for what it finds.
import { type Client, WorkflowFailedError, WorkflowNotFoundError } from "@temporalio/client";
import { ApplicationFailure } from "@temporalio/common";
import { taskQueues } from "../domain/backup-request.ts";
import { BackupError } from "../domain/errors.ts";
import { verifyWorkflowId, type VerifyOrder, type VerifyOutcome } from "../domain/verify-run.ts";
import { askTemporal } from "./ask-temporal.ts";
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

export interface VerificationState {
  readonly state: "running" | "proven" | "unproven" | "failed" | "cancelled";
  readonly outcome: VerifyOutcome | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** Null when Temporal does not know it (any more). @throws TemporalUnreachable */
export async function describeVerification(
  client: Client,
  order: Pick<VerifyOrder, "organizationId" | "verificationId">,
): Promise<VerificationState | null> {
  const handle = client.workflow.getHandle(verifyWorkflowId(order));
  try {
    const { status } = await askTemporal(client, () => handle.describe());
    if (status.name === "RUNNING") return { state: "running", outcome: null, error: null };
    const outcome = await followVerification(client, order);
    return { state: outcome.problemCount === 0 ? "proven" : "unproven", outcome, error: null };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    if (!(error instanceof BackupError) || error.code === "TemporalUnreachable") throw error;
    const { code, message } = error;
    return { state: code === "Cancelled" ? "cancelled" : "failed", outcome: null, error: { code, message } };
  }
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
