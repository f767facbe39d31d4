// kill -9 of Postgres, and of the Temporal server, at each stage of a restore and of a rollback. Right after it readers see
// the old state or the new one, never something between; the run goes on by itself to its end; another organization is the
// same byte for byte; nothing is left behind.
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { approveRestore, followRestore, followRollback, readRestoreProgress } from "../../src/client/start-restore.ts";
import { getRestore } from "../../src/control/restores.ts";
import { activityPoints, type ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { untilHeld } from "../support/held-rows.ts";
import { startKillablePostgres, startKillableTemporal, type KillableServer } from "../support/killable-servers.ts";
import { openRestoreRig, type RestoreRig } from "../support/restore-rig.ts";
import { waitUntil } from "../support/wait-until.ts";

let postgres: Awaited<ReturnType<typeof startKillablePostgres>>;
let temporal: Awaited<ReturnType<typeof startKillableTemporal>>;
let rig: BackupRig;
let restores: RestoreRig;
const pauses: ActivityPoint[] = [];
let reached = 0;
let goOn: () => void = () => {};
let released: Promise<void>;

beforeAll(async () => {
  [postgres, temporal] = await Promise.all([startKillablePostgres(), startKillableTemporal()]);
  rig = await createBackupRig({
    size: { organizations: 2 },
    database: postgres.database,
    temporalAddress: temporal.address,
  });
  await rig.startWorker({
    activityInterceptors: [activityPoints({ pauses, released: () => released, onReached: () => (reached += 1) })],
  });
  await rig.backUp(rig.organizationIds[0] ?? "");
  restores = await openRestoreRig(rig, { choice: { by: "sequence", sequence: 1 } });
});
afterAll(async () => {
  await rig?.close();
  await postgres?.stop();
  await temporal?.stop();
});

beforeEach(async () => {
  pauses.length = 0;
  reached = 0;
  released = new Promise((resolve) => (goOn = resolve));
  await restores.spoil();
});

type Which = "Postgres" | "the Temporal server";
const serverOf = (which: Which): KillableServer => (which === "Postgres" ? postgres : temporal);

/** Kills the server while an activity stands at a point; then lets it go on. */
async function killAt<T>(which: Which, [activity, when]: Point, begin: () => Promise<T>): Promise<T> {
  pauses.push({ organizationId: restores.organizationId, activity, when });
  const begun = await begin();
  await waitUntil(`${activity} stands still`, () => reached === 1);
  await serverOf(which).killAndRestart();
  await restores.expectOldOrNew();
  goOn();
  return begun;
}

/** A row that must be written is held by somebody: the transaction is surely in its middle. */
async function killMidway<T>(which: Which, begin: () => Promise<T>): Promise<T> {
  const release = await restores.holdGuest();
  const begun = await begin();
  await untilHeld(rig);
  await serverOf(which).killAndRestart();
  await restores.expectOldOrNew();
  await release();
  return begun;
}

type Point = readonly [activity: string, when: "before" | "after"];
const restorePoints: readonly Point[] = [
  ["chooseBackup", "before"],
  ["stageRestore", "before"],
  ["stageRestore", "after"],
  ["compareRestore", "after"],
  ["sealBackup", "before"],
  ["applyRestore", "before"],
  ["applyRestore", "after"],
  ["putBackFiles", "after"],
  ["checkRestored", "after"],
];
const rollbackPoints: readonly Point[] = [
  ["undoRestore", "before"],
  ["undoRestore", "after"],
  ["undoFiles", "after"],
];
const servers: readonly Which[] = ["Postgres", "the Temporal server"];
const cases = (points: readonly Point[]) =>
  servers.flatMap((which) => points.map((point) => [which, ...point] as const));

test.each(cases(restorePoints))("%s killed, %s %s: the restore is done in the end", async (which, activity, when) => {
  const order = await killAt(which, [activity, when], () => restores.order());
  expect(await followRestore(rig.client, order)).toMatchObject({ status: "applied" });
  await restores.expectEnd(restores.whole);
});

test.each(servers)("%s killed in the middle of the restore's transaction: it is done in the end", async (which) => {
  const order = await killMidway(which, () => restores.order());
  expect(await followRestore(rig.client, order)).toMatchObject({ status: "applied" });
  await restores.expectEnd(restores.whole);
});

test.each(servers)("%s killed while a restore waits for people: it still waits, and can be approved", async (which) => {
  const order = await restores.order({ approval: "ask" });
  await restores.untilItWaits(order, "approval");
  await serverOf(which).killAndRestart();
  expect(await restores.checksums()).toEqual(restores.damaged);
  await waitUntil("the restore waits again", async () => {
    const progress = await readRestoreProgress(rig.client, order).catch(() => null); // the server may not answer yet
    return progress?.waiting?.for === "approval";
  });
  await approveRestore(rig.client, order, "ada");
  expect(await followRestore(rig.client, order)).toMatchObject({ status: "applied" });
  await restores.expectEnd(restores.whole);
});

test.each(cases(rollbackPoints))("%s killed, %s %s: the rollback is done in the end", async (which, activity, when) => {
  const { restoreId } = await restores.restore();
  const rollback = await killAt(which, [activity, when], () => restores.orderRollback(restoreId));
  expect(await followRollback(rig.client, rollback)).toMatchObject({ refused: [] });
  await restores.expectEnd(restores.damaged);
  expect(await getRestore(rig.control, restoreId)).toMatchObject({ status: "rolled_back" });
});

test.each(servers)("%s killed in the middle of the rollback's transaction: it is done in the end", async (which) => {
  const { restoreId } = await restores.restore();
  const rollback = await killMidway(which, () => restores.orderRollback(restoreId));
  expect(await followRollback(rig.client, rollback)).toMatchObject({ refused: [] });
  await restores.expectEnd(restores.damaged);
});
