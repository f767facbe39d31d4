// No workflow is kept in memory between two tasks: each task replays its run from the first event.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { proveBackups } from "../support/prove-backups.ts";

let rig: BackupRig;
beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 2 } });
  await rig.startWorker({ maxCachedWorkflows: 0 });
});
afterAll(async () => await rig?.close());

test("backups that are replayed at every step end well", async () => {
  const outcomes = await Promise.all(rig.organizationIds.map((organizationId) => rig.backUp(organizationId)));
  for (const [index, outcome] of outcomes.entries()) {
    expect(outcome).toMatchObject({ status: "completed", sequence: 1, restarts: 0, proof: "content" });
    const { manifests, unnamedPacks } = await proveBackups(rig, rig.organizationIds[index] as string);
    expect({ listed: manifests.length, unnamedPacks }).toEqual({ listed: 1, unnamedPacks: 0 });
  }
});
