// Links to the store itself: anybody who has one reads the sealed object until it ends, and nothing else; a folder made of
// them recovers with the key.
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import request from "supertest";
import { createFilesystemStore } from "../../src/adapters/object-store/filesystem.ts";
import { createS3Store } from "../../src/adapters/object-store/s3.ts";
import { createBackupFinder } from "../../src/facade/stored-backups.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { recoverToFolder } from "../../src/recover/recover-to-folder.ts";
import { createOrOpenRepository, openRepository } from "../../src/repository/repository.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { createFacadeRig, type FacadeRig } from "../support/facade-rig.ts";
import { makePlainBackup } from "../support/plain-backup.ts";
import { createTestBucket, type TestBucket } from "../support/test-bucket.ts";

let rig: BackupRig;
let facade: FacadeRig;
let bucket: TestBucket;
let store: ObjectStore;
let organizationId: string;
let backupId: string;
let rows: number;

beforeAll(async () => {
  rig = await createBackupRig();
  [organizationId = ""] = rig.organizationIds;
  bucket = await createTestBucket();
  store = await createS3Store({ ...bucket.access, bucket: bucket.name });
  const repository = await createOrOpenRepository(store, rig.key);
  const vault = await repository.openVault(organizationId, { create: true });
  const { catalogue, media, database } = rig;
  const manifest = await makePlainBackup({ url: database.url, catalogue, organizationId, vault, media });
  ({ backupId } = manifest);
  rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  await rig.control.query(
    `INSERT INTO backup.backup_jobs (id, organization_id, trigger, requested_by, status, workflow_id, proof, sequence, manifest_hash, finished_at)
     VALUES ($1, $2, 'manual', 'test', 'completed', $3, 'content', $4, 'x', now())`,
    [backupId, organizationId, `backup/${organizationId}`, manifest.sequence],
  );
  facade = await createFacadeRig(rig, { dependencies: { backups: createBackupFinder(async () => repository) } });
});

afterAll(async () => {
  await facade?.close();
  await store?.close();
  await bucket?.drop();
  await rig?.close();
});

const ask = async (at: FacadeRig) =>
  await request(at.url)
    .post(`/api/admin/backup/${backupId}/download`)
    .set(await at.as("admin", organizationId))
    .send({ from: "store", purpose: "to keep at home" });

test("read the sealed objects without a token, and make a folder that recovers", async () => {
  const { body } = await ask(facade);
  const objects = body.objects as { key: string; sha256: string | null; url: string }[];
  const folder = join(rig.folder, "downloaded");
  for (const { key, sha256, url } of objects) {
    expect(new URL(url).origin).toBe(bucket.access.endpoint);
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (sha256 !== null) expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
    await mkdir(dirname(join(folder, key)), { recursive: true });
    await writeFile(join(folder, key), bytes);
  }
  const copy = createFilesystemStore({ rootDir: folder });
  const vault = await (await openRepository(copy, rig.key)).openVault(organizationId);
  const { manifest } = await vault.readManifest(1);
  const recovered = await recoverToFolder({ vault, manifest, targetDir: join(rig.folder, "recovered") });
  expect(recovered.rows).toBe(rows);
  await copy.close();

  const [entry] = await rig.control.query(
    "SELECT details FROM backup.audit_log WHERE action = 'backup.download' AND outcome = 'done'",
  );
  expect(entry).toMatchObject({ details: { purpose: "to keep at home" } });
});

test("are good for their object and their time alone", async () => {
  const { body } = await ask(facade);
  const [first, second] = body.objects as { key: string; url: string }[];
  const url = new URL(first?.url ?? "");
  expect(url.searchParams.get("X-Amz-Expires")).toBe("600");
  const other = new URL(url);
  other.pathname = new URL(second?.url ?? "").pathname;
  expect((await fetch(other)).status).toBe(403);
  const longer = new URL(url);
  longer.searchParams.set("X-Amz-Expires", "60000");
  expect((await fetch(longer)).status).toBe(403);
  expect((await fetch(url, { method: "DELETE" })).status).toBe(403);
  const past = await store.signLink?.(first?.key ?? "", 1);
  await expectToEnd(past ?? "");
});

async function expectToEnd(url: string): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while ((await fetch(url)).status === 200)
    if (performance.now() > deadlineMs) throw new Error("the link still works after its end");
}

test("are refused by name where the store makes none", async () => {
  const plain = await createFacadeRig(rig, {
    dependencies: { backups: createBackupFinder(async () => rig.repository) },
  });
  try {
    const vault = await rig.repository.openVault(organizationId, { create: true });
    const { catalogue, media, database } = rig;
    const manifest = await makePlainBackup({ url: database.url, catalogue, organizationId, vault, media });
    await rig.control.query("UPDATE backup.backup_jobs SET id = $2 WHERE id = $1", [backupId, manifest.backupId]);
    backupId = manifest.backupId;
    const { status, body } = await ask(plain);
    expect([status, body.code, body.faults?.[0]?.field]).toEqual([422, "ValueInvalid", "body.from"]);
  } finally {
    await plain.close();
  }
});
