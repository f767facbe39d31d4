// A Temporal namespace of a test's own: task queues have fixed names, and tests must not take each other's work.
import { Connection } from "@temporalio/client";
import { waitUntil } from "./wait-until.ts";

export async function createNamespace(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: (24 * 60 * 60) as never },
    });
    // The server's parts learn of a new namespace one after the other.
    await waitUntil(`namespace ${namespace}`, async () => {
      try {
        await connection.workflowService.listWorkflowExecutions({ namespace, pageSize: 1 });
        await connection.workflowService.describeTaskQueue({ namespace, taskQueue: { name: "probe" } });
        await connection.operatorService.listSearchAttributes({ namespace });
        return true;
      } catch {
        return false; // asked again until the deadline
      }
    });
  } finally {
    await connection.close();
  }
}
