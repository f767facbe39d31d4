// Runs that a policy's schedule did not start: nothing ran that could have said so, so Temporal's counts are looked at.
import { scheduleIdOf, verificationScheduleIdOf } from "../src/domain/policy.ts";
import type { ActivityDependencies } from "./dependencies.ts";

type Dependencies = Pick<ActivityDependencies, "policies" | "readScheduleSkips">;

/** A look costs Temporal a query. So many at a time, those that were looked at longest ago. */
const mostAtOnce = 100;

export async function countSkippedRuns({ policies, readScheduleSkips }: Dependencies): Promise<void> {
  for (const schedule of await policies.listSchedulesToCount(mostAtOnce)) {
    const { policyId: id, organizationId, kind } = schedule;
    const scheduleId = (kind === "backup" ? scheduleIdOf : verificationScheduleIdOf)({ id, organizationId });
    await policies.recordScheduleSkips(schedule, await readScheduleSkips(scheduleId));
  }
}
