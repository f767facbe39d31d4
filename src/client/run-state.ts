// Whether a run is over, however it ended; one that Temporal does not know any more is.
import { type Client, WorkflowNotFoundError } from "@temporalio/client";

export async function isRunOver(client: Client, workflowId: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name !== "RUNNING";
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return true;
    throw error;
  }
}
