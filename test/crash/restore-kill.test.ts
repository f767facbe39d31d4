// kill -9 of the worker while a restore or a rollback is in each of its stages. Whatever it was doing: right after the kill
// readers see the old state or the new one, never something between; another worker finishes the work; nothing is left.
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { followRestore, followRollback, readRestoreProgress, requestRollback } from "../../src/client/start-restore.ts";
import { restoreStages, type RestoreOrder, type RestoreStage } from "../../src/domain/restore-run.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { killCommandWorkers, startCommandWorker } from "../support/command-worker.ts";
import { eventually } from "../support/eventually.ts";
import { hold, untilHeld } from "../support/held-rows.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { orderRestore } from "../support/order-restore.ts";

let rig: BackupRig;
let organizationId: string;
let whole: Record<string, string>;
let damaged: Record<string, string>;
let others: Record<string, string>;

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
  await killCommandWorkers();
});
afterAll(async () => await rig.close());

async function damage(): Promise<void> {
  const { database } = rig;
  const weddings = "(SELECT id FROM weddings WHERE organization_id = $1)";
  await database.query(`DELETE FROM seating_tables WHERE wedding_id IN ${weddings}`, [organizationId]);
  await database.query("DELETE FROM menus WHERE organization_id = $1", [organizationId]);
  await database.query("UPDATE guests SET notes = 'spoilt' WHERE organization_id = $1", [organizationId]);
  damaged = await checksumsOf(rig, organizationId);
}

async function start(): Promise<RestoreOrder> {
  return await orderRestore(rig, { organizationId, choice: { by: "sequence", sequence: 1 } });
}

/** A row that the restore must write, and the rollback again: the transaction is surely under way then. */
const holdRow = () =>
  hold(rig, "SELECT 1 FROM guests WHERE organization_id = $1 ORDER BY id LIMIT 1 FOR UPDATE", [organizationId]);

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
  const first = await startCommandWorker(rig);
  const order = await start();
  await eventually(`the stage ${stage}`, async () => {
    const progress = await readRestoreProgress(rig.client, order);
    return progress !== null && restoreStages.indexOf(progress.stage) >= restoreStages.indexOf(stage);
  });
  await first.kill();
  await expectOldOrNew();
  await release?.();
  await startCommandWorker(rig);
  expect(await followRestore(rig.client, order)).toMatchObject({ status: "applied" });
  expect(await checksumsOf(rig, organizationId)).toEqual(whole);
  await expectNothingLeft();
});

test("killed in the middle of its transaction, a rollback is finished by another worker", async () => {
  await damage();
  const first = await startCommandWorker(rig);
  const { restoreId } = await followRestore(rig.client, await start());
  const release = await holdRow();
  const rollback = { restoreId, organizationId, partial: false, requestedBy: "test" };
  await requestRollback(rig.client, rollback);
  await untilHeld(rig);
  await first.kill();
  await expectOldOrNew();
  await release();
  await startCommandWorker(rig);
  expect(await followRollback(rig.client, rollback)).toMatchObject({ refused: [] });
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  await expectNothingLeft();
});
