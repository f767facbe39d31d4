// A backup run as Temporal sees it: whether it goes on, how far it is, and how to end it.
import { type Client, WorkflowNotFoundError } from "@temporalio/client";
import { backupWorkflowId } from "../domain/backup-request.ts";
import type { BackupProgress } from "../domain/progress.ts";
import { askTemporal } from "./ask-temporal.ts";

export type RunState = "running" | "completed" | "failed" | "cancelled";

export interface JobRun {
  readonly state: RunState;
  readonly startedAt: string;
}

/** Null when Temporal does not know it (any more). @throws TemporalUnreachable */
export async function describeRun(client: Client, organizationId: string, jobId: string): Promise<JobRun | null> {
  try {
    const handle = client.workflow.getHandle(backupWorkflowId(organizationId), jobId);
    const { status, startTime } = await askTemporal(client, () => handle.describe());
    const states: Record<string, RunState> = { RUNNING: "running", COMPLETED: "completed", CANCELLED: "cancelled" };
    return { state: states[status.name] ?? "failed", startedAt: startTime.toISOString() };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

/** Null while no worker is there to answer. */
export async function askProgress(
  client: Client,
  organizationId: string,
  jobId: string,
): Promise<BackupProgress | null> {
  const handle = client.workflow.getHandle(backupWorkflowId(organizationId), jobId);
  try {
    return await client.connection.withDeadline(Date.now() + 2_000, () => handle.query<BackupProgress>("progress"));
  } catch {
    // A query needs a live worker. Whether the run itself is well is describeRun's to say.
    return null;
  }
}

/** Asks the run to clean up and end. False when it is over already. @throws TemporalUnreachable */
export async function cancelRun(client: Client, organizationId: string, jobId: string): Promise<boolean> {
  const run = await describeRun(client, organizationId, jobId);
  if (run?.state !== "running") return false;
  const handle = client.workflow.getHandle(backupWorkflowId(organizationId), jobId);
  try {
    await askTemporal(client, () => handle.cancel());
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false; // it ended between the two calls
    throw error;
  }
}
