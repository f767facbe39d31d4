// Runs that a policy's schedule did not start: nothing ran that could have said so, so Temporal's counts are looked at.
import { scheduleIdOf, verificationScheduleIdOf } from "../src/domain/policy.ts";
import type { ActivityDependencies } from "./dependencies.ts";

type Dependencies = Pick<ActivityDependencies, "ledger" | "readScheduleSkips">;

/** A look costs Temporal a query. So many at a time, those that were looked at longest ago. */
const mostAtOnce = 100;

export async function countSkippedRuns({ ledger, readScheduleSkips }: Dependencies): Promise<void> {
  for (const schedule of await ledger.listSchedulesToCount(mostAtOnce)) {
    const { policyId: id, organizationId, kind } = schedule;
    const scheduleId = (kind === "backup" ? scheduleIdOf : verificationScheduleIdOf)({ id, organizationId });
    await ledger.recordScheduleSkips(schedule, await readScheduleSkips(scheduleId));
  }
}
