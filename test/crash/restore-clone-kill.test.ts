// kill -9 of the worker while an organization is restored as another one, and while that is rolled back: right after the kill
// the copy is whole or not there at all, another worker finishes the work, and the organization that it was made from keeps
// every byte of its rows and files.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { followRestore, followRollback } from "../../src/client/start-restore.ts";
import type { RestoreOrder, RestoreStage } from "../../src/domain/restore-run.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { killCommandWorkers, startCommandWorker } from "../support/command-worker.ts";
import { filesBelow } from "../support/files-below.ts";
import { hold, untilHeld } from "../support/held-rows.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { openRestoreRig, type RestoreRig } from "../support/restore-rig.ts";

let rig: BackupRig;
let restores: RestoreRig;
let organizationId: string;
let before: unknown;
let sourceCounts: Record<string, string>;

beforeAll(async () => {
  rig = await createBackupRig();
  [organizationId = ""] = rig.organizationIds;
  const worker = await rig.startWorker();
  await rig.backUp(organizationId);
  await worker.stop();
  restores = await openRestoreRig(rig);
  before = await everybody();
  sourceCounts = await countsOf(organizationId);
});
afterEach(killCommandWorkers);
afterAll(async () => await rig?.close());

const filesOf = (id: string) => filesBelow(join(rig.mediaDir, id));

/** Rows and files of those who were there before. */
const everybody = () =>
  Promise.all(rig.organizationIds.map(async (id) => [await checksumsOf(rig, id), await filesOf(id)]));

async function countsOf(id: string): Promise<Record<string, string>> {
  const checksums = Object.entries(await checksumsOf(rig, id));
  return Object.fromEntries(checksums.map(([table, text]) => [table, text.split(" ")[0] ?? ""]));
}

const startCopy = () => restores.order({ targetOrganizationId: randomUUID() });

async function expectWholeOrNothing({ targetOrganizationId }: RestoreOrder): Promise<void> {
  const nothing = Object.fromEntries(Object.keys(sourceCounts).map((table) => [table, "0"]));
  expect([sourceCounts, nothing]).toContainEqual(await countsOf(targetOrganizationId));
  expect(await everybody()).toEqual(before);
}

async function expectNothingLeft(): Promise<void> {
  await restores.expectNothingLeft();
  expect(await rig.database.query("SELECT * FROM wedsync_restore.clones")).toEqual([]);
  expect(await everybody()).toEqual(before);
}

const killAt: readonly RestoreStage[] = ["stage", "compare", "apply", "files"];

test.each(killAt)("killed in the stage %s, a copy is finished by another worker", async (stage) => {
  // It may be read, but not written: the transaction surely waits in its middle then.
  const release = stage === "apply" ? await hold(rig, "LOCK TABLE messages IN SHARE MODE") : null;
  const first = await startCommandWorker(rig);
  const order = await startCopy();
  await restores.untilStage(order, stage);
  if (release !== null) await untilHeld(rig);
  await first.kill();
  await expectWholeOrNothing(order);
  await release?.();
  await startCommandWorker(rig);
  expect(await followRestore(rig.client, order)).toMatchObject({ status: "applied" });
  expect(await countsOf(order.targetOrganizationId)).toEqual(sourceCounts);
  const files = await filesOf(organizationId);
  expect([...(await filesOf(order.targetOrganizationId)).values()].toSorted()).toEqual([...files.values()].toSorted());
  await expectNothingLeft();
});

test("killed in the middle of its transaction, the rollback of a copy is finished by another worker", async () => {
  const first = await startCommandWorker(rig);
  const order = await startCopy();
  const { restoreId, targetOrganizationId } = await followRestore(rig.client, order);
  const release = await restores.holdGuest(targetOrganizationId);
  const rollback = await restores.orderRollback(restoreId);
  await untilHeld(rig);
  await first.kill();
  await expectWholeOrNothing(order);
  await release();
  await startCommandWorker(rig);
  expect(await followRollback(rig.client, rollback)).toMatchObject({ refused: [] });
  expect(Object.values(await checksumsOf(rig, targetOrganizationId)).filter((text) => text !== "0 ")).toEqual([]);
  expect((await filesOf(targetOrganizationId)).size).toBe(0);
  await expectNothingLeft();
});
