// Policies as the tests' organizations have them, and what Temporal has of these.
import type { Client } from "@temporalio/client";
import type { ControlDatabase } from "../../src/control/control-database.ts";
import { putPolicy, type NewPolicy } from "../../src/control/policies.ts";
import { policyDefaults, type Policy } from "../../src/domain/policy.ts";

/** Runs only when it is triggered, unless `change` says otherwise. */
export const keepPolicy = (
  control: ControlDatabase,
  organizationId: string,
  change: Partial<NewPolicy> = {},
): Promise<Policy> =>
  putPolicy(control, {
    ...policyDefaults,
    organizationId,
    name: "yearly",
    cron: "0 3 1 1 *",
    dataSets: null,
    paused: false,
    ...change,
  });

/** In order. */
export async function listScheduleIds(client: Client): Promise<string[]> {
  const found: string[] = [];
  for await (const { scheduleId } of client.schedule.list()) found.push(scheduleId);
  return found.toSorted();
}
