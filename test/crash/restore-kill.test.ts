// kill -9 of the worker while a restore or a rollback is in each of its stages. Whatever it was doing: right after the kill
// readers see the old state or the new one, never something between; another worker finishes the work; nothing is left.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { followRestore, followRollback } from "../../src/client/start-restore.ts";
import type { RestoreStage } from "../../src/domain/restore-run.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { killCommandWorkers, startCommandWorker } from "../support/command-worker.ts";
import { untilHeld } from "../support/held-rows.ts";
import { openRestoreRig, type RestoreRig } from "../support/restore-rig.ts";

let rig: BackupRig;
let restores: RestoreRig;

beforeAll(async () => {
  rig = await createBackupRig();
  const worker = await rig.startWorker();
  await rig.backUp(rig.organizationIds[0] ?? "");
  await worker.stop();
  restores = await openRestoreRig(rig, { choice: { by: "sequence", sequence: 1 } });
});
beforeEach(async () => await restores.spoil());
afterEach(async () => {
  await killCommandWorkers();
});
afterAll(async () => await rig.close());

const killAt: readonly RestoreStage[] = ["stage", "compare", "protect", "apply", "files", "validate"];

test.each(killAt)("killed in the stage %s, a restore is finished by another worker", async (stage) => {
  const release = stage === "apply" ? await restores.holdGuest() : null;
  const first = await startCommandWorker(rig);
  const order = await restores.order();
  await restores.untilStage(order, stage);
  await first.kill();
  await restores.expectOldOrNew();
  await release?.();
  await startCommandWorker(rig);
  expect(await followRestore(rig.client, order)).toMatchObject({ status: "applied" });
  await restores.expectEnd(restores.whole);
});

test("killed in the middle of its transaction, a rollback is finished by another worker", async () => {
  const first = await startCommandWorker(rig);
  const { restoreId } = await restores.restore();
  const release = await restores.holdGuest();
  const rollback = await restores.orderRollback(restoreId);
  await untilHeld(rig);
  await first.kill();
  await restores.expectOldOrNew();
  await release();
  await startCommandWorker(rig);
  expect(await followRollback(rig.client, rollback)).toMatchObject({ refused: [] });
  await restores.expectEnd(restores.damaged);
});
