// A tenant writes another tenant's path into a row of its own, to read that file out of its backup.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { proveBackups } from "../support/prove-backups.ts";

let rig: BackupRig;

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 2 } });
  await rig.startWorker();
});
afterAll(async () => await rig?.close());

test("another organization's file is not read; the backup says that the row's file is missing", async () => {
  const [thief = "", victim = ""] = rig.organizationIds;
  const [theirs] = await rig.database.query<{ path: string }>(
    "SELECT storage_path AS path FROM photos WHERE organization_id = $1 ORDER BY id LIMIT 1",
    [victim],
  );
  const path = theirs?.path ?? "";
  expect(await rig.media.stat(path)).not.toBeNull();
  // The bare path is taken among photos, but not among contracts.
  const ways = [`/${path}`, `${thief}/../${path}`];
  for (const [offset, way] of ways.entries())
    await rig.database.query(
      "UPDATE photos SET storage_path = $2 WHERE id = (SELECT id FROM photos WHERE organization_id = $1 ORDER BY id OFFSET $3 LIMIT 1)",
      [thief, way, offset],
    );
  await rig.database.query(
    "UPDATE contracts SET document_path = $2 WHERE id = (SELECT id FROM contracts WHERE organization_id = $1 ORDER BY id LIMIT 1)",
    [thief, path],
  );
  ways.push(path);
  expect(await rig.backUp(thief)).toMatchObject({ status: "incomplete", missingFiles: ways.length });
  const { manifests } = await proveBackups(rig, thief);
  expect(manifests[0]?.media.missing.map((file) => file.path)).toEqual(ways.toSorted());
  expect(manifests[0]?.media.files.every((file) => file.path.startsWith(`${thief}/`))).toBe(true);
  expect(await rig.backUp(victim)).toMatchObject({ status: "completed" });
});
