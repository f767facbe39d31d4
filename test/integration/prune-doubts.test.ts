// Retention where what it sees is not all there is: a listing that ends too early, and what happens between its look and
// its release.
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { runPrune } from "../../src/client/start-prune.ts";
import { placeLegalHold } from "../../src/control/legal-hold.ts";
import { createRetentionLedger } from "../../src/control/retention-ledger.ts";
import { readRetentionFacts } from "../../src/control/retention-facts.ts";
import type { PruneOrder } from "../../src/domain/prune-run.ts";
import { previewRetention } from "../../src/repository/preview-retention.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { outcomeOf } from "../support/outcome.ts";
import { keepPolicy } from "../support/policies.ts";
import { proveBackups } from "../support/prove-backups.ts";

let rig: BackupRig;
let next = 0;
/** Called when a prune has read the facts, and has not looked at the store yet. */
let between: (() => Promise<unknown>) | null = null;

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 5, guestsPerWedding: 6, messagesPerWedding: 4 } });
  await rig.startWorker({
    repository: {
      ...rig.repository,
      openVault: async (organizationId, options) => {
        const happens = between;
        between = null;
        await happens?.();
        return await rig.repository.openVault(organizationId, options);
      },
    },
  });
});
afterEach(() => void (between = null));
afterAll(async () => await rig?.close());

/** An organization with three backups, of which the last is kept. */
async function backUpThrice(): Promise<string> {
  const organizationId = rig.organizationIds[next++] ?? "";
  const policy = await keepPolicy(rig.control, organizationId, { retention: { last: 1, minProven: 0 } });
  for (let time = 0; time < 3; time++) {
    await rig.database.query("UPDATE guests SET last_name = 'Wed ' || gen_random_uuid() WHERE organization_id = $1", [
      organizationId,
    ]);
    await rig.backUp(organizationId, { policyId: policy.id });
  }
  return organizationId;
}
const prune = (organizationId: string, asked: Partial<PruneOrder> = {}) =>
  runPrune(rig.client, { organizationId, requestedBy: "test", graceMs: 0, ...asked });
const listed = async (organizationId: string): Promise<number[]> =>
  (await (await rig.repository.openVault(organizationId)).listManifests()).map(({ sequence }) => sequence);

test("a newest backup that the store does not show ends it: nothing of that goes, and it comes back whole", async () => {
  const organizationId = await backUpThrice();
  const key = `organizations/${organizationId}/manifests/`;
  const found: { key: string }[] = [];
  for await (const each of rig.store.list(key)) found.push(each);
  const newest = found.at(-1)?.key ?? "";
  const hidden = await rig.store.read(newest);
  await rig.store.delete([newest]);
  expect(await outcomeOf(() => prune(organizationId))).toBe("RepositoryRolledBack");
  const facts = await readRetentionFacts(rig.control, organizationId);
  const vault = await rig.repository.openVault(organizationId);
  await expect(previewRetention(vault, facts, { nowMs: Date.now() })).rejects.toMatchObject({
    code: "RepositoryRolledBack",
    message: expect.stringContaining("Manifests 3 of"),
  });
  expect(await listed(organizationId)).toEqual([1, 2]);
  await rig.store.create(newest, hidden);
  await proveBackups(rig, organizationId);
  expect(await prune(organizationId)).toMatchObject({ released: [1, 2] });
  expect((await proveBackups(rig, organizationId)).unnamedPacks).toBe(0);
});

test("that it is gone for good is for a person to say", async () => {
  const organizationId = await backUpThrice();
  await (await rig.repository.openVault(organizationId)).deleteManifests([3]);
  expect(await outcomeOf(() => prune(organizationId))).toBe("RepositoryRolledBack");
  expect(await prune(organizationId, { forgetMissing: true })).toMatchObject({ released: [1] });
  expect(await listed(organizationId)).toEqual([2]);
  // Its number is not used again: the gap that this leaves is told of once more, and written down.
  expect(await rig.backUp(organizationId)).toMatchObject({ sequence: 4 });
  expect(await outcomeOf(() => prune(organizationId))).toBe("RepositoryRolledBack");
  expect(await prune(organizationId, { forgetMissing: true })).toMatchObject({ kept: 2 });
  await proveBackups(rig, organizationId);
});

test("a backup that somebody begins to read while it looks stays", async () => {
  const organizationId = await backUpThrice();
  const ledger = createRetentionLedger(rig.control);
  between = () => ledger.holdBackup({ organizationId, sequence: 1, reader: "late", seconds: 60 });
  expect(await prune(organizationId)).toMatchObject({ released: [2], kept: 2 });
  expect(await listed(organizationId)).toEqual([1, 3]);
  const [row] = await rig.control.query<{ sequences: number[] }>(
    "SELECT array_agg(sequence ORDER BY sequence) AS sequences FROM backup.backup_jobs WHERE organization_id = $1 AND released_at IS NULL",
    [organizationId],
  );
  expect(row?.sequences).toEqual([1, 3]);
  await proveBackups(rig, organizationId);
});

test("a legal hold that is placed while it looks keeps everything", async () => {
  const organizationId = await backUpThrice();
  between = () => placeLegalHold(rig.control, { organizationId, reason: "a court asks", actor: "test" });
  await outcomeOf(() => prune(organizationId));
  expect(await listed(organizationId)).toEqual([1, 2, 3]);
  expect((await proveBackups(rig, organizationId)).unnamedPacks).toBe(0);
});

test("a lease that goes to another while it looks ends it before it writes anything", async () => {
  const organizationId = await backUpThrice();
  between = () =>
    rig.control.query(
      "UPDATE backup.backup_leases SET operation = 'backup', holder = $2, fencing_token = nextval('backup.fencing_tokens') WHERE organization_id = $1",
      [organizationId, randomUUID()],
    );
  expect(await outcomeOf(() => prune(organizationId))).toBe("OrganizationBusy");
  expect(await listed(organizationId)).toEqual([1, 2, 3]);
  const vault = await rig.repository.openVault(organizationId);
  expect(await vault.releases.read()).toBeNull();
});
