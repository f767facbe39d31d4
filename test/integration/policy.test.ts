// Policies as Temporal Schedules: the control tables are the truth, and reconciling makes the schedules say the same.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  applyPolicySchedule,
  describePolicySchedule,
  reconcilePolicySchedules,
  triggerPolicy,
} from "../../src/client/policy-schedules.ts";
import { followBackup } from "../../src/client/start-backup.ts";
import { deletePolicy, listPolicies, setPolicyPaused, type NewPolicy } from "../../src/control/policies.ts";
import { scheduleIdOf, type Policy } from "../../src/domain/policy.ts";
import { activityPoints, type ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { waitUntil } from "../support/wait-until.ts";
import { keepPolicy, listScheduleIds } from "../support/policies.ts";

let rig: BackupRig;
let release = (): void => {};
const reached: ActivityPoint[] = [];
const id = (index: number): string => rig.organizationIds[index] as string;

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 3, guestsPerWedding: 6, messagesPerWedding: 4 } });
  const released = new Promise<void>((resolve) => (release = resolve));
  await rig.startWorker({
    activityInterceptors: [
      activityPoints({
        pauses: [{ organizationId: id(1), activity: "uploadBatch", when: "before" }],
        released,
        onReached: (point) => reached.push(point),
      }),
    ],
  });
});
afterAll(async () => await rig?.close());

const put = (organizationId: string, change: Partial<NewPolicy> = {}): Promise<Policy> =>
  keepPolicy(rig.control, organizationId, change);
const schedules = () => listScheduleIds(rig.client);
const describe = (policy: Policy) => rig.client.schedule.getHandle(scheduleIdOf(policy)).describe();

/** The result of the policy's first run. */
async function runOf(policy: Policy): Promise<unknown> {
  await triggerPolicy(rig.client, policy);
  const query = `WorkflowType = 'runBackupPolicy' AND PolicyId = '${policy.id}'`;
  let result: unknown = null;
  await waitUntil("the policy's run has ended", async () => {
    for await (const { workflowId, runId, status } of rig.client.workflow.list({ query }))
      if (status.name !== "RUNNING") result = await rig.client.workflow.getHandle(workflowId, runId).result();
    return result !== null;
  });
  return result;
}

test("a schedule is made, follows changes, pauses and goes on", async () => {
  const policy = await put(id(0), { timeZone: "Europe/London", jitterSeconds: 60, catchupSeconds: 3_600 });
  expect(await applyPolicySchedule(rig.client, policy)).toBe("created");
  expect(await describe(policy)).toMatchObject({
    policies: { overlap: "SKIP", catchupWindow: 3_600_000, pauseOnFailure: false },
    spec: { timezone: "Europe/London", jitter: 60_000 },
    state: { paused: false },
    action: { workflowType: "runBackupPolicy", args: [{ policyId: policy.id, organizationId: id(0) }] },
  });
  const before = await describePolicySchedule(rig.client, policy);
  expect(before?.nextRuns[0]).toMatch(/-01-01T03:0/);

  const moved = await put(id(0), { cron: "30 4 2 7 *" });
  expect(moved.id).toBe(policy.id);
  expect(await applyPolicySchedule(rig.client, moved)).toBe("updated");
  expect(await describe(moved)).toMatchObject({ spec: { timezone: "UTC", jitter: 300_000 } });
  expect((await describePolicySchedule(rig.client, moved))?.nextRuns[0]).toMatch(/-07-02T04:3/);

  for (const paused of [true, false]) {
    await applyPolicySchedule(rig.client, await setPolicyPaused(rig.control, policy.id, paused));
    expect(await describePolicySchedule(rig.client, policy)).toMatchObject({ paused });
  }
});

test("reconciling makes what is missing and removes what no policy wants, and nothing that is not ours", async () => {
  const dropped = await put(id(0), { name: "dropped" });
  await applyPolicySchedule(rig.client, dropped);
  await deletePolicy(rig.control, dropped.id);
  const missing = await put(id(2), { verification: { cron: "0 5 * * 0", level: "restore", nights: 7 } as never });
  await rig.client.schedule.create({
    scheduleId: "somebody-else",
    spec: { cronExpressions: ["0 0 1 1 *"] },
    action: { type: "startWorkflow", workflowType: "other", workflowId: "other", taskQueue: "other" },
  });
  await waitUntil("the server lists all three", async () => (await schedules()).length === 3);

  const policies = await listPolicies(rig.control);
  expect(await reconcilePolicySchedules(rig.client, policies)).toEqual({ applied: 2, removed: 1 });
  const wanted = [
    ...policies.map((policy) => scheduleIdOf(policy)),
    `verify:${id(2)}:${missing.id}`,
    "somebody-else",
  ].sort();
  await waitUntil("the schedules are as wanted", async () => String(await schedules()) === String(wanted));
  expect(await reconcilePolicySchedules(rig.client, policies)).toEqual({ applied: 2, removed: 0 });
  await rig.client.schedule.getHandle("somebody-else").delete();
});

test("a policy's run is a backup under its name", async () => {
  const [policy] = await listPolicies(rig.control, { organizationId: id(0) });
  expect(await runOf(policy as Policy)).toMatchObject({ ran: true, outcome: { status: "completed", sequence: 1 } });
  const { manifests } = await proveBackups(rig, id(0));
  const [job] = await rig.database.query("SELECT policy_id, trigger, status FROM backup.backup_jobs WHERE id = $1", [
    manifests[0]?.backupId,
  ]);
  expect(job).toEqual({ policy_id: policy?.id, trigger: "schedule", status: "completed" });
});

test("while a backup by hand is under way, a policy's run is skipped and says so", async () => {
  const byHand = await rig.request(id(1));
  await waitUntil("the backup by hand uploads", () => reached.length === 1);
  const policy = await put(id(1));
  await applyPolicySchedule(rig.client, policy);
  expect(await runOf(policy)).toEqual({ ran: false, reason: "a backup of the organization was running already" });
  expect(
    await rig.database.query(
      "SELECT outcome, details ->> 'code' AS code FROM backup.audit_log WHERE action = 'policy.run' AND subject = $1",
      [policy.id],
    ),
  ).toEqual([{ outcome: "refused", code: "OrganizationBusy" }]);
  release();
  expect(await followBackup(rig.client, byHand)).toMatchObject({ status: "completed", sequence: 1 });
  const { manifests, unnamedPacks } = await proveBackups(rig, id(1));
  expect(manifests.map((manifest) => manifest.backupId)).toEqual([byHand.backupId]);
  expect(unnamedPacks).toBe(0);
});

test("of a policy that is paused in the tables alone, a run does nothing", async () => {
  const policy = await put(id(2));
  await setPolicyPaused(rig.control, policy.id, true);
  expect(await runOf(policy)).toEqual({ ran: false, reason: "the policy is gone or paused" });
  expect((await proveBackups(rig, id(2))).manifests).toEqual([]);
});
