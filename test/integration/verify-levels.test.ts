// Verification on its own, on the real parts: each level proves a sound backup and finds what it is there to find; a restore
// test leaves no database; a complete loss of the database is recovered from by a restore.
import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { followVerification, requestVerification } from "../../src/client/start-verification.ts";
import { followRestore } from "../../src/client/start-restore.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import type { VerificationLevel } from "../../src/domain/verify-run.ts";
import { verifyConsistency } from "../../src/repository/verify-consistency.ts";
import { createSampleSchema } from "../../src/samples/generate.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { orderRestore } from "../support/order-restore.ts";
import { keepPolicy } from "../support/policies.ts";

let rig: BackupRig;
let organizationId: string;

beforeAll(async () => {
  rig = await createBackupRig();
  await rig.startWorker();
  [organizationId = ""] = rig.organizationIds;
  await rig.backUp(organizationId, { proof: "restore" });
});
afterAll(async () => await rig.close());

async function verify(level: VerificationLevel) {
  const asked = { organizationId, choice: { by: "latest" }, level, requestedBy: "test" } as const;
  return await followVerification(rig.client, await requestVerification(rig.client, asked));
}

const scratchDatabases = () =>
  rig.database.query("SELECT datname FROM pg_database WHERE datname LIKE 'wedsync\\_restore\\_test\\_%'");

test("every level proves a sound backup, a restore test measures its time and leaves no database", async () => {
  for (const level of ["integrity", "content", "consistency", "restore"] as const) {
    const outcome = await verify(level);
    expect([level, outcome.problems]).toEqual([level, []]);
    expect(outcome.bytes).toBeGreaterThan(0);
    if (level !== "restore") expect(outcome.restoreSeconds).toBeNull();
    else {
      expect(outcome.restoreSeconds).toBeGreaterThan(0);
      expect(outcome.rules.length).toBeGreaterThan(5);
    }
  }
  expect(await scratchDatabases()).toEqual([]);
  const kept = await rig.database.query<{ level: string; proven: boolean }>(
    "SELECT level, bool_and(proven) AS proven FROM backup.backup_verification_results GROUP BY level ORDER BY level",
  );
  expect(kept.map(({ level }) => level)).toEqual(["consistency", "content", "integrity", "restore"]);
});

test("rows whose parents are missing are found by consistency", async () => {
  const vault = await rig.repository.openVault(organizationId);
  const { manifest } = await vault.readManifest(1);
  const vendors = manifest.tables.find((table) => table.table === "public.vendors");
  const tables = manifest.tables.map((table) =>
    table === vendors
      ? { ...table, segments: [], layers: undefined, rows: 0, rawBytes: 0, checksum: "0000000000000000" }
      : table,
  );
  const { problems } = await verifyConsistency(vault, { ...manifest, tables });
  expect(problems).toEqual([
    expect.objectContaining({
      code: "BackupUnproven",
      message: expect.stringContaining("public.vendors that are not in the backup"),
    }),
  ]);
});

test("a policy's verification reads the parts of all bytes in turn", async () => {
  const policy = await keepPolicy(rig.control, organizationId, {
    verification: { cron: "0 5 * * *", level: "consistency", nights: 3 },
  });
  for (let night = 0; night < 4; night++)
    await rig.client.workflow.execute("runVerificationPolicy", {
      workflowId: `verify-policy/${randomUUID()}`,
      taskQueue: "backup",
      args: [{ policyId: policy.id, organizationId }],
    });
  const parts = await rig.database.query<{ part: number }>(
    "SELECT part FROM backup.backup_verification_results WHERE parts = 3 ORDER BY finished_at",
  );
  expect(parts.map(({ part }) => part)).toEqual([1, 2, 3, 1]);
});

test("complete loss: the database is dropped, made again empty, restored, and every row is as it was", async () => {
  const before = await checksumsOf(rig, organizationId);
  for (const schema of ["public", "backup", "wedsync_restore"])
    await rig.database.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await rig.database.query("CREATE SCHEMA public");
  await createSampleSchema(rig.database.url);
  await migrateControlTables(rig.database.url);
  const order = await orderRestore(rig, { organizationId });
  const outcome = await followRestore(rig.client, order);
  expect(outcome).toMatchObject({ status: "applied", preRestoreSequence: null });
  expect(await checksumsOf(rig, organizationId)).toEqual(before);
});

test("a newest backup that was taken away is found, because the control tables remember it", async () => {
  await rig.backUp(organizationId);
  const folder = join(rig.storeDir, "organizations", organizationId, "manifests");
  const name = (await readdir(folder)).sort().at(-1) ?? "";
  await rename(join(folder, name), join(rig.storeDir, "..", name));
  const { problems } = await verify("integrity");
  expect(problems.map(({ code }) => code)).toEqual(["RepositoryRolledBack"]);
  await rename(join(rig.storeDir, "..", name), join(folder, name));
  expect((await verify("integrity")).problems).toEqual([]);
});

test("damaged packs are found by every level, and a restore test of them leaves no database", async () => {
  const folder = join(rig.storeDir, "organizations", organizationId, "packs");
  for (const name of await readdir(folder)) {
    const bytes = await readFile(join(folder, name));
    bytes[Math.floor(bytes.length / 3)] = (bytes[Math.floor(bytes.length / 3)] ?? 0) ^ 1;
    await writeFile(join(folder, name), bytes).catch(async () => {
      const { chmod } = await import("node:fs/promises");
      await chmod(join(folder, name), 0o600);
      await writeFile(join(folder, name), bytes);
    });
  }
  for (const level of ["integrity", "content", "consistency", "restore"] as const)
    expect([level, (await verify(level)).problemCount > 0]).toEqual([level, true]);
  expect(await scratchDatabases()).toEqual([]);
});
