// Starts an erasure and waits for its end. The workflow id is the organization's: asking twice is one erasure, and asking
// again after one that failed goes on with it.
import { type Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from "@temporalio/client";
import { taskQueues } from "../domain/backup-request.ts";
import { eraseWorkflowId, type EraseOrder, type ErasureOutcome } from "../domain/erase-run.ts";
import { scheduleIdOf, verificationScheduleIdOf } from "../domain/policy.ts";
import { removePolicySchedule } from "./policy-schedules.ts";
import { searchAttributesOf } from "./search-attributes.ts";
import { asBackupError } from "./start-backup.ts";
import { cancelTrigger } from "./start-trigger.ts";

/** The erasure's row must be there already (src/control/erasures.ts). */
export async function requestErasureRun(client: Client, { erasureId, organizationId }: EraseOrder): Promise<void> {
  await client.workflow.start("eraseOrganization", {
    workflowId: eraseWorkflowId({ organizationId }),
    taskQueue: taskQueues.control,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    args: [{ erasureId, organizationId } satisfies EraseOrder],
    staticSummary: `erasure of ${organizationId}`,
    priority: { priorityKey: 1, fairnessKey: organizationId.slice(0, 64) },
    typedSearchAttributes: searchAttributesOf({ organizationId, policyId: null, operation: "erasure" }),
  });
}

/** @throws BackupError with the run's own code. */
export async function followErasure(
  client: Client,
  order: Pick<EraseOrder, "organizationId">,
): Promise<ErasureOutcome> {
  try {
    return (await client.workflow.getHandle(eraseWorkflowId(order)).result()) as ErasureOutcome;
  } catch (error) {
    throw asBackupError(error, "The erasure was cancelled before anything was erased.");
  }
}

export interface SchedulesToEnd {
  readonly organizationId: string;
  readonly policyIds: readonly string[];
  readonly triggerWorkflowIds: readonly string[];
}

/** Schedules of policies, and backups that wait for their time. Safe to repeat. */
export async function endSchedules(client: Client, input: SchedulesToEnd): Promise<void> {
  const { organizationId, policyIds, triggerWorkflowIds } = input;
  for (const id of policyIds) {
    await removePolicySchedule(client, scheduleIdOf({ organizationId, id }));
    await removePolicySchedule(client, verificationScheduleIdOf({ organizationId, id }));
  }
  // One whose time came meanwhile is refused where it begins.
  for (const workflowId of triggerWorkflowIds) await cancelTrigger(client, workflowId, new Date(8.64e15));
}
