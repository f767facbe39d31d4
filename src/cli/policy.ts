// wedsync-backup policy: backups on a schedule.
import {
  applyPolicySchedule,
  describePolicySchedule,
  reconcilePolicySchedules,
  removePolicySchedule,
  triggerPolicy,
} from "../client/policy-schedules.ts";
import { previewSchedule } from "../client/preview-schedule.ts";
import { setDependencies } from "../control/policy-dependencies.ts";
import { deletePolicy, getPolicy, listPolicies, putPolicy, setPolicyPaused } from "../control/policies.ts";
import type { VerificationLevel } from "../domain/verify-run.ts";
import { BackupError } from "../domain/errors.ts";
import { scheduleIdOf, verificationScheduleIdOf, type Policy, type ScheduleSkips } from "../domain/policy.ts";
import { describeRetention } from "../domain/retention.ts";
import { isInSource } from "./is-in-source.ts";
import { table } from "./output.ts";
import { readRetention, type RetentionOptions } from "./retention-options.ts";
import type { Session } from "./session.ts";

export interface PutPolicyOptions extends RetentionOptions {
  readonly organization: string;
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly jitter: string;
  readonly catchup: string;
  readonly proof: Policy["proof"];
  readonly dataSet?: string[];
  readonly after?: string[];
  readonly verifyCron?: string;
  readonly verifyLevel: VerificationLevel;
  readonly verifyNights: string;
}

export async function runPutPolicy(session: Session, options: PutPolicyOptions): Promise<number> {
  const preview = previewSchedule(options.cron, options.timeZone);
  if (options.verifyCron !== undefined) previewSchedule(options.verifyCron, options.timeZone);
  const nights = Math.max(1, wholeNumber("--verify-nights", options.verifyNights, 366));
  const retention = readRetention(options);
  const [control, client] = [await session.control(), await session.client()];
  if (!(await isInSource(session, options.organization)))
    throw new BackupError(
      "OrganizationNotFound",
      `There is no organization ${options.organization} in ${(await session.catalogue()).root.table}. Give the key of one of its rows.`,
    );
  const policy = await putPolicy(control, {
    organizationId: options.organization,
    name: options.name,
    cron: options.cron,
    timeZone: options.timeZone,
    jitterSeconds: wholeNumber("--jitter", options.jitter, 21_600),
    catchupSeconds: Math.max(60, wholeNumber("--catchup", options.catchup, 604_800)),
    proof: options.proof,
    dataSets: options.dataSet ?? null,
    ...(options.verifyCron === undefined
      ? {}
      : { verification: { cron: options.verifyCron, level: options.verifyLevel, nights } }),
    ...(retention === undefined ? {} : { retention }),
    paused: false,
  });
  if (options.after !== undefined) await setDependencies(control, policy.id, options.after);
  const change = await applyPolicySchedule(client, policy);
  session.output.result(
    { ...policy, schedule: change, ...preview },
    () =>
      `${change} policy ${policy.id}\n${preview.words}; ${describeRetention(policy.retention)}\nnext: ${preview.nextRuns.slice(0, 3).join(", ")}`,
  );
  return 0;
}

export async function runListPolicies(session: Session, options: { organization?: string }): Promise<number> {
  const [control, client] = [await session.control(), await session.client()];
  const policies = await listPolicies(
    control,
    options.organization === undefined ? {} : { organizationId: options.organization },
  );
  const described = await Promise.all(
    policies.map(async (policy) => ({ ...policy, schedule: await describePolicySchedule(client, policy) })),
  );
  session.output.result(described, () =>
    described.length === 0
      ? "There are no policies. Make one with: wedsync-backup policy create --organization ID --cron '0 2 * * *'"
      : table(
          ["policy", "organization", "name", "when", "keeps", "state", "skipped runs", "next run (UTC)"],
          described.map((each) => [
            each.id,
            each.organizationId,
            each.name,
            previewSchedule(each.cron, each.timeZone, 1).words,
            describeRetention(each.retention),
            each.schedule === null ? "NO SCHEDULE" : each.paused ? "paused" : "active",
            describeSkips(each.schedule?.skippedRuns),
            each.paused ? "-" : (each.schedule?.nextRuns[0] ?? "-"),
          ]),
        ),
  );
  return 0;
}

function describeSkips({ stillRunning, missed }: ScheduleSkips = { stillRunning: 0, missed: 0 }): string {
  const reasons = [
    stillRunning > 0 ? `${stillRunning} while one was running` : null,
    missed > 0 ? `${missed} while Temporal was away` : null,
  ].filter((reason) => reason !== null);
  return reasons.length === 0 ? "-" : reasons.join(", ");
}

export async function runPausePolicy(session: Session, id: string, paused: boolean): Promise<number> {
  const [control, client] = [await session.control(), await session.client()];
  const policy = await setPolicyPaused(control, id, paused);
  await applyPolicySchedule(client, policy);
  session.output.result(policy, () => `${paused ? "paused" : "resumed"} policy ${id}`);
  return 0;
}

export async function runDeletePolicy(session: Session, id: string): Promise<number> {
  const [control, client] = [await session.control(), await session.client()];
  const policy = await deletePolicy(control, id);
  await removePolicySchedule(client, scheduleIdOf(policy));
  await removePolicySchedule(client, verificationScheduleIdOf(policy));
  session.output.result({ deleted: id }, () => `deleted policy ${id}; its backups stay`);
  return 0;
}

export async function runTriggerPolicy(session: Session, id: string): Promise<number> {
  const [control, client] = [await session.control(), await session.client()];
  await triggerPolicy(client, await getPolicy(control, id));
  session.output.result({ triggered: id }, () => `asked for a run of policy ${id}; see: wedsync-backup list`);
  return 0;
}

export async function runReconcilePolicies(session: Session): Promise<number> {
  const [control, client] = [await session.control(), await session.client()];
  const result = await reconcilePolicySchedules(client, await listPolicies(control));
  session.output.result(
    result,
    () => `${result.applied} schedules are as the policies say; ${result.removed} without a policy were removed`,
  );
  return 0;
}

export function runPreviewPolicy(session: Session, cron: string, options: { timeZone: string }): number {
  const preview = previewSchedule(cron, options.timeZone);
  session.output.result(preview, () => `${preview.words}\n${preview.nextRuns.join("\n")}`);
  return 0;
}

function wholeNumber(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > most)
    throw new BackupError("UsageInvalid", `${name} must be a whole number, at most ${most}.`);
  return value;
}
