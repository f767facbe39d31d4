// kill -9 of the worker while a restore or a rollback is in each of its stages. Whatever it was doing: right after the kill
// readers see the old state or the new one, never something between; another worker finishes the work; nothing is left.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import {
  followRestore,
  followRollback,
  readRestoreProgress,
  requestRestore,
  requestRollback,
} from "../../src/client/start-restore.ts";
import { createRestore } from "../../src/control/restores.ts";
import { restoreDefaults, restoreStages, type RestoreOrder, type RestoreStage } from "../../src/domain/restore-run.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { eventually } from "../support/eventually.ts";
import { checksumsOf } from "../support/organization-checksums.ts";

let rig: BackupRig;
let organizationId: string;
let whole: Record<string, string>;
let damaged: Record<string, string>;
let others: Record<string, string>;
const children: ChildProcess[] = [];

beforeAll(async () => {
  rig = await createBackupRig();
  [organizationId = ""] = rig.organizationIds;
  const worker = await rig.startWorker();
  await rig.backUp(organizationId);
  await worker.stop();
  whole = await checksumsOf(rig, organizationId);
  others = await checksumsOf(rig, rig.organizationIds[1] ?? "");
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
});
afterAll(async () => await rig.close());

async function startChild(): Promise<ChildProcess> {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, "worker"], {
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      XDG_CACHE_HOME: process.env["XDG_CACHE_HOME"],
      BACKUP_SOURCE_DATABASE_URL: rig.database.url,
      BACKUP_DATA_DIR: join(rig.folder, "data"),
      BACKUP_ENCRYPTION_KEY: rig.key,
      BACKUP_STORAGE_BUCKET: rig.storeDir,
      BACKUP_MEDIA_URL: rig.mediaDir,
      TEMPORAL_ADDRESS: rig.temporal.address,
      TEMPORAL_NAMESPACE: rig.temporal.namespace,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.push(child);
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await eventually("the worker to be ready", async () => {
    if (child.exitCode !== null) throw new Error(`the worker ended: ${said}`);
    return said.includes("worker ready");
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

async function damage(): Promise<void> {
  const { database } = rig;
  const weddings = "(SELECT id FROM weddings WHERE organization_id = $1)";
  await database.query(`DELETE FROM seating_tables WHERE wedding_id IN ${weddings}`, [organizationId]);
  await database.query("DELETE FROM menus WHERE organization_id = $1", [organizationId]);
  await database.query("UPDATE guests SET notes = 'spoilt' WHERE organization_id = $1", [organizationId]);
  damaged = await checksumsOf(rig, organizationId);
}

async function start(): Promise<RestoreOrder> {
  const order: RestoreOrder = {
    ...restoreDefaults,
    restoreId: randomUUID(),
    organizationId,
    targetOrganizationId: organizationId,
    approval: "given",
    choice: { by: "sequence", sequence: 1 },
    requestedBy: "test",
  };
  await createRestore(rig.control, order, { records: null, targetSealed: null });
  await requestRestore(rig.client, order);
  return order;
}

/** A transaction of somebody's that holds a row which the restore must write: the apply is surely under way then. */
async function holdRow(): Promise<() => Promise<void>> {
  const { Client } = await import("pg");
  const client = new Client({ connectionString: rig.database.url });
  await client.connect();
  await client.query("BEGIN");
  await client.query("SELECT 1 FROM guests WHERE organization_id = $1 ORDER BY id LIMIT 1 FOR UPDATE", [
    organizationId,
  ]);
  return async () => {
    await client.query("ROLLBACK");
    await client.end();
  };
}

async function expectOldOrNew(): Promise<void> {
  const seen = await checksumsOf(rig, organizationId);
  expect([whole, damaged]).toContainEqual(seen);
}

async function expectNothingLeft(): Promise<void> {
  expect(
    await rig.database.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'wedsync\\_restore\\_%'"),
  ).toEqual([]);
  expect(await rig.database.query("SELECT * FROM backup.backup_leases")).toEqual([]);
  expect(await checksumsOf(rig, rig.organizationIds[1] ?? "")).toEqual(others);
}

const killAt: readonly RestoreStage[] = ["stage", "compare", "protect", "apply", "files", "validate"];

test.each(killAt)("killed in the stage %s, a restore is finished by another worker", async (stage) => {
  await damage();
  const release = stage === "apply" ? await holdRow() : null;
  const first = await startChild();
  const order = await start();
  await eventually(`the stage ${stage}`, async () => {
    const progress = await readRestoreProgress(rig.client, order);
    return progress !== null && restoreStages.indexOf(progress.stage) >= restoreStages.indexOf(stage);
  });
  await kill(first);
  await expectOldOrNew();
  await release?.();
  await startChild();
  expect(await followRestore(rig.client, order)).toMatchObject({ status: "applied" });
  expect(await checksumsOf(rig, organizationId)).toEqual(whole);
  await expectNothingLeft();
});

test("killed in the middle of its transaction, a rollback is finished by another worker", async () => {
  await damage();
  const first = await startChild();
  const { restoreId } = await followRestore(rig.client, await start());
  const release = await holdRow();
  const rollback = { restoreId, organizationId, partial: false, requestedBy: "test" };
  await requestRollback(rig.client, rollback);
  await eventually("the rollback to wait for the row", async () => {
    const [row] = await rig.database.query<{ waiting: string }>(
      "SELECT count(*) AS waiting FROM pg_stat_activity WHERE application_name = 'wedsync-backup restore' AND wait_event_type = 'Lock'",
    );
    return Number(row?.waiting ?? 0) > 0;
  });
  await kill(first);
  await expectOldOrNew();
  await release();
  await startChild();
  expect(await followRollback(rig.client, rollback)).toMatchObject({ refused: [] });
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  await expectNothingLeft();
});
