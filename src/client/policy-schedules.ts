// Temporal's schedules as the control tables want them. The tables are the truth: reconciling creates, updates and
// removes until both say the same, and may run at any time and any number of times.
import {
  type Client,
  ScheduleAlreadyRunning,
  type ScheduleDescription,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
} from "@temporalio/client";
import { taskQueues } from "../domain/backup-request.ts";
import {
  scheduleIdOf,
  scheduleIdPrefix,
  verificationScheduleIdOf,
  verificationScheduleIdPrefix,
  type Policy,
  type ScheduleSkips,
} from "../domain/policy.ts";
import { askTemporal } from "./ask-temporal.ts";
import { searchAttributesOf } from "./search-attributes.ts";

function scheduleOf(policy: Policy, kind: "backup" | "verification", cron: string) {
  const { id, organizationId, name, timeZone, jitterSeconds, catchupSeconds, paused } = policy;
  const isBackup = kind === "backup";
  const operation = isBackup ? "policy" : "verification policy";
  const typedSearchAttributes = searchAttributesOf({ organizationId, policyId: id, operation });
  return {
    spec: { cronExpressions: [cron], timezone: timeZone, jitter: jitterSeconds * 1000 },
    policies: {
      // A run of the organization that is still going on is not doubled.
      overlap: ScheduleOverlapPolicy.SKIP,
      // The default would catch up a year of missed nights.
      catchupWindow: catchupSeconds * 1000,
      // One bad night must not end all backups.
      pauseOnFailure: false,
    },
    state: { paused, note: `policy ${name}, version ${policy.version}` },
    action: {
      type: "startWorkflow" as const,
      workflowType: isBackup ? "runBackupPolicy" : "runVerificationPolicy",
      workflowId: `${isBackup ? "backup" : "verify"}-policy/${organizationId}/${id}`,
      taskQueue: taskQueues.control,
      args: [{ policyId: id, organizationId }],
      typedSearchAttributes,
      staticSummary: `${isBackup ? "policy" : "verification by policy"} ${name} of ${organizationId}`,
    },
    typedSearchAttributes,
  };
}

export async function applyPolicySchedule(client: Client, policy: Policy): Promise<"created" | "updated"> {
  const verificationId = verificationScheduleIdOf(policy);
  const { verification } = policy;
  if (verification === null) await removePolicySchedule(client, verificationId);
  else await applySchedule(client, verificationId, scheduleOf(policy, "verification", verification.cron));
  return await applySchedule(client, scheduleIdOf(policy), scheduleOf(policy, "backup", policy.cron));
}

async function applySchedule(
  client: Client,
  scheduleId: string,
  wanted: ReturnType<typeof scheduleOf>,
): Promise<"created" | "updated"> {
  try {
    await client.schedule.create({ scheduleId, ...wanted });
    return "created";
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(scheduleId).update(() => wanted as never);
    return "updated";
  }
}

export async function removePolicySchedule(client: Client, scheduleId: string): Promise<void> {
  try {
    await client.schedule.getHandle(scheduleId).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}

export async function reconcilePolicySchedules(
  client: Client,
  policies: readonly Policy[],
): Promise<{ applied: number; removed: number }> {
  for (const policy of policies) await applyPolicySchedule(client, policy);
  const wanted = new Set([
    ...policies.map(scheduleIdOf),
    ...policies.filter((policy) => policy.verification !== null).map(verificationScheduleIdOf),
  ]);
  let removed = 0;
  for await (const { scheduleId } of client.schedule.list()) {
    const isOurs = [scheduleIdPrefix, verificationScheduleIdPrefix].some((prefix) => scheduleId.startsWith(prefix));
    if (!isOurs || wanted.has(scheduleId)) continue;
    await removePolicySchedule(client, scheduleId);
    removed += 1;
  }
  return { applied: policies.length, removed };
}

/** Runs it now, unless a run of it is under way. */
export async function triggerPolicy(client: Client, policy: Policy): Promise<void> {
  await client.schedule.getHandle(scheduleIdOf(policy)).trigger(ScheduleOverlapPolicy.SKIP);
}

export interface PolicyScheduleState {
  readonly paused: boolean;
  readonly nextRuns: readonly string[];
  readonly recentRuns: readonly string[];
  readonly skippedRuns: ScheduleSkips;
}

/** Null when Temporal has no schedule of the policy: reconcile then. */
export async function describePolicySchedule(client: Client, policy: Policy): Promise<PolicyScheduleState | null> {
  const found = await describeSchedule(client, scheduleIdOf(policy));
  if (found === null) return null;
  const { state, info } = found;
  return {
    paused: state.paused,
    nextRuns: info.nextActionTimes.slice(0, 5).map((time) => time.toISOString()),
    recentRuns: info.recentActions.map((action) => action.takenAt.toISOString()),
    skippedRuns: skipsIn(found),
  };
}

/** Null when there is no such schedule. @throws TemporalUnreachable */
export async function readScheduleSkips(client: Client, scheduleId: string): Promise<ScheduleSkips | null> {
  const found = await askTemporal(client, () => describeSchedule(client, scheduleId));
  return found === null ? null : skipsIn(found);
}

const skipsIn = ({ info }: ScheduleDescription): ScheduleSkips => ({
  stillRunning: info.numActionsSkippedOverlap,
  missed: info.numActionsMissedCatchupWindow,
});

async function describeSchedule(client: Client, scheduleId: string): Promise<ScheduleDescription | null> {
  try {
    return await client.schedule.getHandle(scheduleId).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null;
    throw error;
  }
}
