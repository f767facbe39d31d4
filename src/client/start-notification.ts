// Hands a delivery to Temporal. The workflow's id is the delivery's, so two relays that hand the same one make one run.
import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from "@temporalio/client";
import { taskQueues } from "../domain/backup-request.ts";
import { notifyWorkflowId, type NotifyOrder } from "../domain/notification.ts";
import { askTemporal } from "./ask-temporal.ts";
import { searchAttributesOf } from "./search-attributes.ts";

/** @throws TemporalUnreachable */
export async function startNotification(client: Client, order: NotifyOrder): Promise<void> {
  const { organizationId, event } = order;
  await askTemporal(client, async () => {
    try {
      await client.workflow.start("notify", {
        workflowId: notifyWorkflowId(order),
        taskQueue: taskQueues.control,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        args: [order],
        staticSummary: `${event} of ${organizationId}`,
        // After everything else that waits.
        priority: { priorityKey: 5, fairnessKey: organizationId.slice(0, 64) },
        typedSearchAttributes: searchAttributesOf({ organizationId, policyId: null, operation: "notification" }),
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  });
}

export const overdueScheduleId = "notifications:overdue";

/** Every five minutes somebody looks for policies that are due and have no good backup. Safe to repeat. */
export async function ensureOverdueWatch(client: Client): Promise<void> {
  try {
    await client.schedule.create({
      scheduleId: overdueScheduleId,
      spec: { intervals: [{ every: "5m" }] },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: "1m", pauseOnFailure: false },
      action: {
        type: "startWorkflow",
        workflowType: "watchOverduePolicies",
        workflowId: "notifications/overdue",
        taskQueue: taskQueues.control,
        staticSummary: "looks for overdue policies",
      },
    });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
}
