// Retention on the real parts: policies, jobs, leases, holds and a store; beside backups, restores and verifications.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { triggerPolicy, applyPolicySchedule } from "../../src/client/policy-schedules.ts";
import { runPrune } from "../../src/client/start-prune.ts";
import { approveRestore, followRestore, readRestoreProgress } from "../../src/client/start-restore.ts";
import { followVerification, requestVerification } from "../../src/client/start-verification.ts";
import { liftLegalHold, placeLegalHold } from "../../src/control/legal-hold.ts";
import { readRetentionFacts } from "../../src/control/retention-facts.ts";
import { createRetentionLedger } from "../../src/control/retention-ledger.ts";
import { pruneWorkflowId, type PruneOrder, type PruneOutcome } from "../../src/domain/prune-run.ts";
import type { Policy } from "../../src/domain/policy.ts";
import type { RetentionRules } from "../../src/domain/retention.ts";
import { restoreDefaults } from "../../src/domain/restore-run.ts";
import { previewRetention } from "../../src/repository/preview-retention.ts";
import { activityPoints, type ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { waitUntil } from "../support/wait-until.ts";
import { orderRestore } from "../support/order-restore.ts";
import { keepPolicy } from "../support/policies.ts";

let rig: BackupRig;
const reached: ActivityPoint[] = [];
let release = (): void => {};
const names = ["plain", "held", "restored", "verified", "overtaken", "running", "nightly", "robbed"] as const;
const id = (name: (typeof names)[number]): string => rig.organizationIds[names.indexOf(name)] as string;
const isReached = (name: (typeof names)[number]): Promise<void> =>
  waitUntil(`${name} waits`, () => reached.some((point) => point.organizationId === id(name)));

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: names.length, guestsPerWedding: 6, messagesPerWedding: 4 } });
  const released = new Promise<void>((resolve) => (release = resolve));
  const pauses: ActivityPoint[] = [
    { organizationId: id("overtaken"), activity: "sweepStore", when: "before" },
    { organizationId: id("running"), activity: "sealBackup", when: "before" },
  ];
  await rig.startWorker({
    activityInterceptors: [activityPoints({ pauses, released, onReached: (point) => reached.push(point) })],
  });
});
afterAll(async () => await rig?.close());

const put = (organizationId: string, retention: RetentionRules | null): Promise<Policy> =>
  keepPolicy(rig.control, organizationId, { retention });
const change = (organizationId: string): Promise<unknown> =>
  rig.database.query("UPDATE guests SET last_name = 'Wed ' || gen_random_uuid() WHERE organization_id = $1", [
    organizationId,
  ]);

/** Backups by the organization's policy, each with other rows. */
async function backUp(organizationId: string, policy: Policy, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    await change(organizationId);
    await rig.backUp(organizationId, { policyId: policy.id });
  }
}
const prune = (organizationId: string, asked: Partial<PruneOrder> = {}): Promise<PruneOutcome> =>
  runPrune(rig.client, { organizationId, requestedBy: "test", graceMs: 0, ...asked });
const failureOf = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => "done",
    (error: { code?: string }) => error.code,
  );
const listed = async (organizationId: string): Promise<number[]> =>
  (await (await rig.repository.openVault(organizationId)).listManifests()).map(({ sequence }) => sequence);

describe("a policy's retention", () => {
  test("lets go of what no rule keeps, removes what only that needed, and leaves the rest restorable", async () => {
    const organizationId = id("plain");
    const policy = await put(organizationId, { last: 2, minProven: 1 });
    await backUp(organizationId, policy, 4);
    await rig.backUp(organizationId); // by hand: no policy made it, so no rule judges it
    await backUp(organizationId, policy, 1);
    const facts = await readRetentionFacts(rig.control, organizationId);
    const vault = await rig.repository.openVault(organizationId);
    const preview = await previewRetention(vault, facts, { nowMs: Date.now() });
    expect(preview.backups.map(({ sequence, keptBy }) => [sequence, keptBy.map(({ rule }) => rule)])).toEqual([
      [1, []],
      [2, []],
      [3, []],
      [4, ["last"]],
      [5, ["no policy"]],
      [6, ["newest", "proven", "last"]],
    ]);
    expect(await listed(organizationId)).toHaveLength(6);

    const outcome = await prune(organizationId);
    expect(outcome).toMatchObject({ released: [1, 2, 3], kept: 3, quarantinedPacks: 0, nextDueAt: null });
    expect(outcome.removedBytes).toBe(preview.unneededBytes);
    expect(outcome.removedPacks).toBeGreaterThan(0);
    expect(await listed(organizationId)).toEqual([4, 5, 6]);
    const { unnamedPacks } = await proveBackups(rig, organizationId);
    expect(unnamedPacks).toBe(0);

    const jobs = await rig.database.query<{ sequence: number; released: boolean }>(
      "SELECT sequence, released_at IS NOT NULL AS released FROM backup.backup_jobs WHERE organization_id = $1 ORDER BY sequence",
      [organizationId],
    );
    expect(jobs.map(({ sequence, released }) => [sequence, released])).toEqual(
      [1, 2, 3, 4, 5, 6].map((n) => [n, n <= 3]),
    );
    const [row] = await rig.database.query(
      "SELECT status, kept, released, removed_packs, requested_by FROM backup.backup_prunes WHERE organization_id = $1",
      [organizationId],
    );
    expect(row).toEqual({
      status: "completed",
      kept: 3,
      released: [1, 2, 3],
      removed_packs: outcome.removedPacks,
      requested_by: "test",
    });
    const audited = await rig.database.query(
      "SELECT count(*)::integer AS entries FROM backup.audit_log WHERE organization_id = $1 AND actor = 'retention' AND details -> 'after' ? 'released_at'",
      [organizationId],
    );
    expect(audited).toEqual([{ entries: 3 }]);
  });

  test("goes on with the next backups, and a second run right behind finds nothing to do", async () => {
    const organizationId = id("plain");
    expect(await prune(organizationId)).toMatchObject({ released: [], removedPacks: 0, removedManifests: 0 });
    const order = await requestVerification(rig.client, {
      organizationId,
      choice: { by: "latest" },
      level: "integrity",
      requestedBy: "test",
    });
    expect(await followVerification(rig.client, order)).toMatchObject({ problemCount: 0 });
    await change(organizationId);
    expect(await rig.backUp(organizationId)).toMatchObject({ sequence: 7, status: "completed" });
    await proveBackups(rig, organizationId);
  });

  test("is asked for after the policy's own backup, and only where something would go", async () => {
    const organizationId = id("nightly");
    const policy = await put(organizationId, { last: 1, minProven: 1 });
    await applyPolicySchedule(rig.client, policy);
    const prunes = () =>
      rig.database.query(
        "SELECT status, released FROM backup.backup_prunes WHERE organization_id = $1 ORDER BY started_at",
        [organizationId],
      );
    const run = async (sequence: number): Promise<void> => {
      await change(organizationId);
      await triggerPolicy(rig.client, policy);
      const query = `WorkflowType = 'runBackupPolicy' AND PolicyId = '${policy.id}' AND ExecutionStatus = 'Completed'`;
      await waitUntil(`run ${sequence} has ended`, async () => {
        let ended = 0;
        for await (const _ of rig.client.workflow.list({ query })) ended += 1;
        return ended === sequence;
      });
    };
    await run(1);
    expect(await prunes()).toEqual([]);
    await run(2);
    await waitUntil("retention has run", async () => (await prunes())[0]?.["status"] === "completed");
    expect(await prunes()).toEqual([{ status: "completed", released: [1] }]);
    expect(await listed(organizationId)).toEqual([2]);
    await run(3);
    await waitUntil("retention has run again", async () => (await prunes())[1]?.["status"] === "completed");
    expect(await listed(organizationId)).toEqual([3]);
    // The packs wait for their grace: only when that is over there is something to do again.
    const ledger = createRetentionLedger(rig.control);
    expect(await ledger.isPruneDue(organizationId)).toBe(false);
    await rig.database.query("UPDATE backup.backup_prunes SET sweep_due_at = now() WHERE organization_id = $1", [
      organizationId,
    ]);
    expect(await ledger.isPruneDue(organizationId)).toBe(true);
    expect((await prune(organizationId)).removedPacks).toBeGreaterThan(0);
    await proveBackups(rig, organizationId);
  });
});

describe("nothing goes", () => {
  test("under a legal hold, also when that is placed in the middle", async () => {
    const organizationId = id("held");
    const policy = await put(organizationId, { last: 1, minProven: 1 });
    await backUp(organizationId, policy, 3);
    await placeLegalHold(rig.control, { organizationId, reason: "a court asks", actor: "test" });
    expect(await createRetentionLedger(rig.control).isPruneDue(organizationId)).toBe(false);
    expect(await prune(organizationId)).toMatchObject({ legalHold: true, released: [], removedPacks: 0 });
    expect(await listed(organizationId)).toEqual([1, 2, 3]);

    const ledger = createRetentionLedger(rig.control);
    const pruneId = randomUUID();
    const { fencingToken } = await ledger.openPrune({
      pruneId,
      organizationId,
      workflowId: "test",
      requestedBy: "test",
    });
    const lease = { organizationId, fencingToken };
    expect(await ledger.claimReleases(lease, [1, 2])).toEqual([]);
    expect(await failureOf(ledger.assertMayRemove(lease))).toBe("LegalHoldActive");
    await ledger.failPrune({ pruneId, organizationId, code: "LegalHoldActive", message: "" });

    await liftLegalHold(rig.control, { organizationId, actor: "test" });
    expect(await prune(organizationId)).toMatchObject({ released: [1, 2] });
    await proveBackups(rig, organizationId);
  });

  test("while a restore waits for people", async () => {
    const organizationId = id("restored");
    const policy = await put(organizationId, { last: 1, minProven: 1 });
    await backUp(organizationId, policy, 3);
    await change(organizationId);
    const order = await orderRestore(rig, {
      organizationId,
      approval: restoreDefaults.approval,
      choice: { by: "sequence", sequence: 1 },
    });
    await waitUntil("the restore waits", async () => {
      const progress = await readRestoreProgress(rig.client, order).catch(() => null);
      return progress?.waiting?.for === "approval";
    });
    expect(await prune(organizationId)).toMatchObject({ released: [], kept: 3 });
    await approveRestore(rig.client, order, "test");
    const { preRestoreSequence } = await followRestore(rig.client, order);
    // The one from before the restore stays for a rollback.
    expect(preRestoreSequence).toBe(4);
    expect(await prune(organizationId)).toMatchObject({ released: [1, 2] });
    expect(await listed(organizationId)).toEqual([3, 4]);
    await proveBackups(rig, organizationId, { compareLive: false });
  });

  test("that is read by a verification; and one that comes too late is told so", async () => {
    const organizationId = id("verified");
    const policy = await put(organizationId, { last: 1, minProven: 1 });
    await backUp(organizationId, policy, 3);
    const ledger = createRetentionLedger(rig.control);
    expect(await ledger.holdBackup({ organizationId, sequence: 2, reader: "verify/1", seconds: 60 })).toBe(true);
    expect(await prune(organizationId)).toMatchObject({ released: [1] });
    expect(await ledger.holdBackup({ organizationId, sequence: 1, reader: "verify/2", seconds: 60 })).toBe(false);
    await ledger.dropHold({ organizationId, reader: "verify/1" });
    expect(await prune(organizationId)).toMatchObject({ released: [2] });
    const order = await requestVerification(rig.client, {
      organizationId,
      choice: { by: "sequence", sequence: 2 },
      level: "content",
      requestedBy: "test",
    });
    expect(await failureOf(followVerification(rig.client, order))).toBe("BackupNotFound");
    // A verification gives back what it held.
    const last = await requestVerification(rig.client, {
      organizationId,
      choice: { by: "latest" },
      level: "content",
      requestedBy: "test",
    });
    expect(await followVerification(rig.client, last)).toMatchObject({ problemCount: 0, sequence: 3 });
    expect(await rig.database.query("SELECT * FROM backup.backup_reads")).toEqual([]);
  });

  test("from a repository that somebody robbed, until a person says that this is known", async () => {
    const organizationId = id("robbed");
    const policy = await put(organizationId, { last: 1, minProven: 1 });
    await backUp(organizationId, policy, 4);
    const vault = await rig.repository.openVault(organizationId);
    await vault.deleteManifests([2]);
    const order = await requestVerification(rig.client, {
      organizationId,
      choice: { by: "latest" },
      level: "integrity",
      requestedBy: "test",
    });
    expect((await followVerification(rig.client, order)).problems).toMatchObject([{ code: "RepositoryRolledBack" }]);
    expect(await failureOf(prune(organizationId))).toBe("RepositoryRolledBack");
    expect(await listed(organizationId)).toEqual([1, 3, 4]);
    expect(await prune(organizationId, { forgetMissing: true })).toMatchObject({ released: [1, 3] });
    await proveBackups(rig, organizationId);
  });
});

describe("beside a backup", () => {
  test("a prune does not begin while one runs", async () => {
    const organizationId = id("running");
    const policy = await put(organizationId, { last: 1, minProven: 0 });
    const started = await rig.request(organizationId, { policyId: policy.id });
    await isReached("running");
    expect(await failureOf(prune(organizationId))).toBe("OrganizationBusy");
    // Also when its lease has run out: what it has uploaded is named by no manifest yet.
    await rig.database.query(
      "UPDATE backup.backup_leases SET expires_at = now() - interval '1 hour' WHERE organization_id = $1",
      [organizationId],
    );
    expect(await failureOf(prune(organizationId))).toBe("OrganizationBusy");
    expect(started.joined).toBe(false);
  });

  test("a backup does not wait for a prune: it takes the lease, the prune ends, and the next one goes on", async () => {
    const organizationId = id("overtaken");
    const policy = await put(organizationId, { last: 1, minProven: 1 });
    await backUp(organizationId, policy, 3);
    const pruning = failureOf(prune(organizationId));
    await isReached("overtaken"); // released, and nothing removed yet
    expect(await listed(organizationId)).toEqual([3]);
    await change(organizationId);
    expect(await rig.backUp(organizationId, { policyId: policy.id })).toMatchObject({
      status: "completed",
      sequence: 4,
    });
    release();
    expect(await pruning).toBe("OrganizationBusy");
    const { manifests, unnamedPacks } = await proveBackups(rig, organizationId);
    expect(manifests.map(({ sequence }) => sequence)).toEqual([3, 4]);
    expect(unnamedPacks).toBeGreaterThan(0);
    expect(await prune(organizationId)).toMatchObject({ released: [3], removedManifests: 3 });
    expect((await proveBackups(rig, organizationId)).unnamedPacks).toBe(0);
    const description = await rig.client.workflow.getHandle(pruneWorkflowId(organizationId)).describe();
    expect(description.status.name).toBe("COMPLETED");
  });
});
