// Calls to Temporal that a request waits for: with a deadline, and with Temporal's outages under our name.
import { type Client, ScheduleNotFoundError, WorkflowNotFoundError } from "@temporalio/client";
import { BackupError } from "../domain/errors.ts";

const deadlineMs = 5_000;

/** @throws TemporalUnreachable; what `ask` throws by itself passes (a run or schedule that is not there, a BackupError). */
export async function askTemporal<T>(client: Client, ask: () => Promise<T>, withinMs = deadlineMs): Promise<T> {
  try {
    return await client.connection.withDeadline(Date.now() + withinMs, ask);
  } catch (error) {
    if (
      error instanceof BackupError ||
      error instanceof WorkflowNotFoundError ||
      error instanceof ScheduleNotFoundError
    )
      throw error;
    throw new BackupError("TemporalUnreachable", "The Temporal server does not answer.", {}, { cause: error });
  }
}
