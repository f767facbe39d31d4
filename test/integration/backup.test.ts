// A backup through Temporal, Postgres and a store, all real: what is in the manifest is what was in the database.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { followBackup } from "../../src/client/start-backup.ts";
import type { BackupOutcome } from "../../src/domain/backup-request.ts";
import { backupStages, type BackupProgress, type BackupStage } from "../../src/domain/progress.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { proveBackups } from "../support/prove-backups.ts";

let rig: BackupRig;
let organizationId: string;

beforeAll(async () => {
  rig = await createBackupRig();
  [organizationId = ""] = rig.organizationIds;
  await rig.startWorker();
});
afterAll(async () => await rig?.close());

const packBytes = async (): Promise<number> => {
  let bytes = 0;
  for await (const { sizeBytes } of (await rig.repository.openVault(organizationId)).listPacks()) bytes += sizeBytes;
  return bytes;
};

describe("one organization", () => {
  let first: BackupOutcome;

  test("comes back as it was, files included, and the job row has its figures", async () => {
    first = await rig.backUp(organizationId);
    expect(first).toMatchObject({ status: "completed", sequence: 1, missingFiles: 0, proof: "content", restarts: 0 });
    const { manifests, unnamedPacks } = await proveBackups(rig, organizationId);
    expect(manifests).toHaveLength(1);
    expect(unnamedPacks).toBe(0);
    expect(manifests[0]).toMatchObject({ backupId: first.backupId, complete: true, previousManifestHash: null });
    expect(manifests[0]?.media.files.length).toBe(first.files);

    const job = await rig.job(first.backupId);
    expect(job).toMatchObject({ status: "completed", sequence: 1, proven: "content", rows: first.rows });
    const worked: BackupStage[] = ["plan", "snapshot", "collect", "compress", "encrypt", "upload", "seal", "verify"];
    for (const stage of worked) {
      expect({ stage, ...(job.stages[stage] as object) }).toMatchObject({
        stage,
        calls: expect.any(Number),
        cpuMs: expect.any(Number),
      });
    }
    // A stage of a small backup may take less than the half millisecond that is rounded to one; all of them don't.
    const cpuMs = worked.reduce((sum, stage) => sum + (job.stages[stage] as { cpuMs: number }).cpuMs, 0);
    expect(cpuMs).toBeGreaterThan(0);
    expect(job.stages["collect"]).toMatchObject({ bytesIn: expect.any(Number) });
    expect((job.stages["compress"] as { bytesOut: number }).bytesOut).toBeLessThan(first.rawBytes);
  });

  test("unchanged, it costs a manifest and no pack", async () => {
    const before = await rig.packNames(organizationId);
    const second = await rig.backUp(organizationId);
    expect(second).toMatchObject({ status: "completed", sequence: 2, rows: first.rows, rawBytes: first.rawBytes });
    expect(second.reusedBytes).toBe(second.rawBytes);
    expect(second.stages.upload).toBeUndefined();
    expect(await rig.packNames(organizationId)).toEqual(before);
    await proveBackups(rig, organizationId);
  });

  test("one changed row costs one small pack", async () => {
    const before = await rig.packNames(organizationId);
    const bytesBefore = await packBytes();
    await rig.database.query(
      "UPDATE guests SET last_name = 'Newly Wed' WHERE id = (SELECT id FROM guests WHERE organization_id = $1 ORDER BY id LIMIT 1)",
      [organizationId],
    );
    const third = await rig.backUp(organizationId);
    const after = await rig.packNames(organizationId);
    expect(after.filter((name) => !before.includes(name))).toHaveLength(1);
    expect((await packBytes()) - bytesBefore).toBeLessThan(first.rawBytes / 3);
    expect(third.sequence).toBe(3);
    const { manifests, unnamedPacks } = await proveBackups(rig, organizationId);
    expect(manifests).toHaveLength(3);
    expect(unnamedPacks).toBe(0);
  });

  test("a file that rows name and nobody has makes it incomplete, and says so", async () => {
    const { manifests } = await proveBackups(rig, organizationId);
    const path = manifests[0]?.media.files[0]?.path as string;
    await rm(join(rig.mediaDir, path));
    const outcome = await rig.backUp(organizationId);
    expect(outcome).toMatchObject({ status: "incomplete", missingFiles: 1 });
    expect(await rig.job(outcome.backupId)).toMatchObject({ status: "incomplete", errorCode: null });
    const newest = (await proveBackups(rig, organizationId)).manifests.at(-1);
    expect(newest?.media.missing.map((file) => file.path)).toEqual([path]);
    expect(newest?.complete).toBe(false);
  });
});

describe("data sets", () => {
  test("only what was asked is in it; a full one afterwards stores nothing again", async () => {
    const [, organization = ""] = rig.organizationIds;
    await rig.backUp(organization);
    const before = await rig.packNames(organization);
    const some = await rig.backUp(organization, { dataSets: ["guests", "budget"] });
    const { manifests } = await proveBackups(rig, organization);
    const tables = manifests.at(-1)?.tables.map((entry) => entry.table);
    expect(tables).toContain("public.guests");
    expect(tables).toContain("public.organizations");
    expect(tables).not.toContain("public.messages");
    expect(some.files).toBe(0);
    await rig.backUp(organization, { dataSets: ["vendors"] });

    const full = await rig.backUp(organization);
    expect(full).toMatchObject({ status: "completed", sequence: 4 });
    expect(full.reusedBytes).toBe(full.rawBytes);
    expect(await rig.packNames(organization)).toEqual(before);
    await proveBackups(rig, organization);
  });

  test("an unknown one is refused by name", async () => {
    await expect(rig.backUp(organizationId, { dataSets: ["cakes"] })).rejects.toMatchObject({ code: "UsageInvalid" });
  });
});

test("an organization that does not exist leaves no trace", async () => {
  const unknown = "00000000-0000-4000-8000-000000000000";
  await expect(rig.backUp(unknown)).rejects.toMatchObject({ code: "OrganizationNotFound" });
  expect(await rig.repository.listOrganizations()).not.toContain(unknown);
});

test("progress goes forward through the stages", async () => {
  const [, , organization = ""] = rig.organizationIds;
  const seen: BackupProgress[] = [];
  const started = await rig.request(organization);
  await followBackup(rig.client, started, (progress) => seen.push(progress));
  // After the end the workflow still answers.
  const last = await rig.client.workflow.getHandle(started.workflowId).query<BackupProgress>("progress");
  seen.push(last);
  const percents = seen.map((progress) => progress.percent);
  expect(percents).toEqual([...percents].sort((a, b) => a - b));
  const places = seen.map((progress) => backupStages.indexOf(progress.stage));
  expect(places.every((place) => place >= 0)).toBe(true);
  expect(last).toMatchObject({ stage: "report", percent: 99, restarts: 0 });
  expect(last.tablesDone).toBe(last.tablesTotal);
});
