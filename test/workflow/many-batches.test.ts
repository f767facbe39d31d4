// More batches than one workflow's history should hold: they go on in children of the run, under the same snapshot, and
// end, are cancelled and are cleaned up as if it were one.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { cancelBackup, followBackup } from "../../src/client/start-backup.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { waitUntil } from "../support/wait-until.ts";

const files = 320;
let rig: BackupRig;

beforeAll(async () => {
  rig = await createBackupRig({
    size: {
      organizations: 2,
      weddingsPerOrganization: 1,
      guestsPerWedding: 4,
      messagesPerWedding: 1,
      photosPerWedding: files,
      photoBytes: 2_000,
    },
  });
  // Each file is a batch of its own.
  await rig.startWorker({ batchBytes: 1 });
});
afterAll(async () => await rig?.close());

async function stretchesOf(organizationId: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { workflowId } of rig.client.workflow.list({ query: `WorkflowType = 'storeBatches'` }))
    if (workflowId.includes(organizationId)) ids.push(workflowId);
  return ids;
}

test("a backup of hundreds of batches is whole, and no history grows without bound", async () => {
  const [organizationId = ""] = rig.organizationIds;
  const started = await rig.request(organizationId, { proof: "content" });
  const outcome = await followBackup(rig.client, started);
  expect(outcome).toMatchObject({ status: "completed", files, missingFiles: 0, proof: "content", restarts: 0 });
  expect(outcome.stages.upload?.calls).toBeGreaterThan(files);
  const { historyLength } = await rig.client.workflow
    .getHandle(`backup/${organizationId}`, started.backupId)
    .describe();
  expect(historyLength).toBeLessThan(5_000);
  await waitUntil("a stretch is listed", async () => (await stretchesOf(organizationId)).length > 0);
  const { manifests, unnamedPacks } = await proveBackups(rig, organizationId);
  expect(manifests).toHaveLength(1);
  expect(unnamedPacks).toBe(0);
});

test("a cancel in a later stretch removes the packs of all of them", async () => {
  const [, organizationId = ""] = rig.organizationIds;
  const started = await rig.request(organizationId);
  await waitUntil("a stretch has begun", async () => (await stretchesOf(organizationId)).length > 0);
  await cancelBackup(rig.client, started);
  await expect(followBackup(rig.client, started)).rejects.toMatchObject({ code: "Cancelled" });
  const { manifests, unnamedPacks } = await proveBackups(rig, organizationId);
  expect(manifests).toEqual([]);
  expect(unnamedPacks).toBe(0);
});
