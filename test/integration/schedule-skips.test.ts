// Runs that a policy's schedule itself does not start: no workflow of ours ran, and still they are counted, shown and in the
// audit log, each once.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { applyPolicySchedule, describePolicySchedule, triggerPolicy } from "../../src/client/policy-schedules.ts";
import { createPolicyLedger } from "../../src/control/policy-ledger.ts";
import { setDependencies } from "../../src/control/policy-dependencies.ts";
import { taskQueues } from "../../src/domain/backup-request.ts";
import type { Policy, PolicySchedule } from "../../src/domain/policy.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createCommandLine } from "../support/command-line.ts";
import { environmentOf } from "../support/rig-environment.ts";
import { waitUntil } from "../support/wait-until.ts";
import { keepPolicy } from "../support/policies.ts";

let rig: BackupRig;
let organizationId: string;

beforeAll(async () => {
  rig = await createBackupRig();
  [organizationId = ""] = rig.organizationIds;
  await rig.startWorker();
});
afterAll(async () => await rig?.close());

const make = (name: string): Promise<Policy> =>
  keepPolicy(rig.control, organizationId, {
    name,
    verification: { cron: "0 5 1 1 *", level: "integrity", nights: 1 },
  });
const entriesOf = (policy: Policy) =>
  rig.control.query(
    `SELECT organization_id AS "organizationId", action, outcome, details FROM backup.audit_log
     WHERE subject = $1 AND action IN ('policy.run', 'verification.run') ORDER BY position`,
    [policy.id],
  );
const entry = (action: string, details: object) => ({ organizationId, action, outcome: "refused", details });
/** What Temporal's own schedule does every five minutes. */
const look = (): Promise<unknown> =>
  rig.client.workflow.execute("watchOverduePolicies", {
    workflowId: `test-watch/${randomUUID()}`,
    taskQueue: taskQueues.control,
  });

test("while a policy's run is still going on, runs that the schedule skips are counted, shown and written down once", async () => {
  const policy = await make("slow");
  await setDependencies(rig.control, policy.id, [(await make("never runs")).id]); // its run waits
  await applyPolicySchedule(rig.client, policy);
  const running: string[] = [];
  const query = `WorkflowType = 'runBackupPolicy' AND PolicyId = '${policy.id}' AND ExecutionStatus = 'Running'`;
  await triggerPolicy(rig.client, policy);
  await waitUntil("the policy's run waits", async () => {
    for await (const { workflowId } of rig.client.workflow.list({ query })) running.push(workflowId);
    return running.length > 0;
  });
  const skip = async (stillRunning: number): Promise<void> => {
    await triggerPolicy(rig.client, policy);
    await waitUntil(`${stillRunning} runs are skipped`, async () => {
      const seen = await describePolicySchedule(rig.client, policy);
      return seen?.skippedRuns.stillRunning === stillRunning && seen.skippedRuns.missed === 0;
    });
  };
  await skip(1);
  await skip(2);
  await look();
  await look();
  expect(await entriesOf(policy)).toEqual([entry("policy.run", { stillRunning: 2 })]);
  await skip(3);
  await look();
  expect(await entriesOf(policy)).toEqual([
    entry("policy.run", { stillRunning: 2 }),
    entry("policy.run", { stillRunning: 1 }),
  ]);
  const { stdout } = await createCommandLine(environmentOf(rig)).run(["policy", "list"]);
  expect(stdout).toContain("3 while one was running");
  for (const workflowId of running) await rig.client.workflow.getHandle(workflowId).terminate();
});

test("what is new since the last count is written down, also of a schedule that was made anew or is gone", async () => {
  const policy = await make("counted");
  const ledger = createPolicyLedger(rig.control);
  const schedule = { policyId: policy.id, organizationId, kind: "verification" } as const;
  await ledger.recordScheduleSkips(schedule, { stillRunning: 0, missed: 3 });
  await ledger.recordScheduleSkips(schedule, { stillRunning: 0, missed: 3 });
  await ledger.recordScheduleSkips(schedule, null);
  await ledger.recordScheduleSkips(schedule, { stillRunning: 1, missed: 4 });
  await ledger.recordScheduleSkips(schedule, { stillRunning: 0, missed: 2 });
  expect(await entriesOf(policy)).toEqual([
    entry("verification.run", { missed: 3 }),
    entry("verification.run", { stillRunning: 1, missed: 1 }),
    entry("verification.run", { missed: 2 }),
  ]);
});

test("schedules that were looked at longest ago come first, and each has its turn", async () => {
  const ledger = createPolicyLedger(rig.control);
  const seen = new Set<string>();
  const nameOf = ({ policyId, kind }: PolicySchedule): string => `${policyId} ${kind}`;
  const all = (await ledger.listSchedulesToCount(1_000)).map(nameOf);
  expect(all.length).toBeGreaterThanOrEqual(6);
  for (let turn = 0; turn < all.length; turn++) {
    const [next] = await ledger.listSchedulesToCount(1);
    seen.add(nameOf(next as PolicySchedule));
    await ledger.recordScheduleSkips(next as PolicySchedule, null);
  }
  expect([...seen].sort()).toEqual(all.sort());
});
