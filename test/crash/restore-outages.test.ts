// kill -9 of Postgres, and of the Temporal server, at each stage of a restore and of a rollback. Right after it readers see
// the old state or the new one, never something between; the run goes on by itself to its end; another organization is the
// same byte for byte; nothing is left behind.
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { Client } from "pg";
import {
  approveRestore,
  followRestore,
  followRollback,
  readRestoreProgress,
  requestRollback,
} from "../../src/client/start-restore.ts";
import { getRestore } from "../../src/control/restores.ts";
import { type RestoreOrder } from "../../src/domain/restore-run.ts";
import { activityPoints, type ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { startKillablePostgres, startKillableTemporal, type KillableServer } from "../support/killable-servers.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { waitUntil } from "../support/wait-until.ts";
import { orderRestore } from "../support/order-restore.ts";

let postgres: Awaited<ReturnType<typeof startKillablePostgres>>;
let temporal: Awaited<ReturnType<typeof startKillableTemporal>>;
let rig: BackupRig;
let organizationId: string;
let other: string;
let whole: Record<string, string>;
let damaged: Record<string, string>;
let others: Record<string, string>;
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
  [organizationId = "", other = ""] = rig.organizationIds;
  await rig.startWorker({
    activityInterceptors: [activityPoints({ pauses, released: () => released, onReached: () => (reached += 1) })],
  });
  await rig.backUp(organizationId);
  whole = await checksumsOf(rig, organizationId);
  others = await checksumsOf(rig, other);
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
  const weddings = "(SELECT id FROM weddings WHERE organization_id = $1)";
  const { database } = rig;
  await database.query(`DELETE FROM seating_tables WHERE wedding_id IN ${weddings}`, [organizationId]);
  await database.query("UPDATE guests SET notes = 'spoilt' WHERE organization_id = $1", [organizationId]);
  damaged = await checksumsOf(rig, organizationId);
});

type Which = "Postgres" | "the Temporal server";
const serverOf = (which: Which): KillableServer => (which === "Postgres" ? postgres : temporal);

async function start(asked: Partial<RestoreOrder> = {}): Promise<RestoreOrder> {
  return await orderRestore(rig, { organizationId, choice: { by: "sequence", sequence: 1 }, ...asked });
}

async function startRollback(restoreId: string) {
  const rollback = { restoreId, organizationId, partial: false, requestedBy: "test" };
  await requestRollback(rig.client, rollback);
  return rollback;
}

/** Kills the server while an activity stands at a point; then lets it go on. */
async function killAt(which: Which, [activity, when]: Point, begin: () => Promise<unknown>): Promise<void> {
  pauses.push({ organizationId, activity, when });
  await begin();
  await waitUntil(`${activity} stands still`, () => reached === 1);
  await serverOf(which).killAndRestart();
  await expectOldOrNew();
  goOn();
}

/** A row that must be written is held by somebody: the transaction is surely in its middle. */
async function killMidway(which: Which, begin: () => Promise<unknown>): Promise<void> {
  const person = new Client({ connectionString: rig.database.url });
  person.on("error", () => {}); // the server goes away under it
  await person.connect();
  await person.query("BEGIN");
  await person.query("SELECT 1 FROM guests WHERE organization_id = $1 ORDER BY id LIMIT 1 FOR UPDATE", [
    organizationId,
  ]);
  await begin();
  await waitUntil("the transaction waits for the row", async () => {
    const [row] = await rig.database.query<{ waiting: string }>(
      "SELECT count(*) AS waiting FROM pg_stat_activity WHERE application_name = 'wedsync-backup restore' AND wait_event_type = 'Lock'",
    );
    return Number(row?.waiting ?? 0) > 0;
  });
  await serverOf(which).killAndRestart();
  await expectOldOrNew();
  await person.query("ROLLBACK").catch(() => {}); // gone, where its server was killed
  await person.end().catch(() => {});
}

async function expectOldOrNew(): Promise<void> {
  expect([whole, damaged]).toContainEqual(await checksumsOf(rig, organizationId));
}

async function expectEnd(state: Record<string, string>): Promise<void> {
  expect(await checksumsOf(rig, organizationId)).toEqual(state);
  expect(await checksumsOf(rig, other)).toEqual(others);
  const staging = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'wedsync\\_restore\\_%'";
  expect(await rig.database.query(staging)).toEqual([]);
  expect(await rig.database.query("SELECT * FROM backup.backup_leases")).toEqual([]);
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
  let order: RestoreOrder | null = null;
  await killAt(which, [activity, when], async () => (order = await start()));
  expect(await followRestore(rig.client, order as unknown as RestoreOrder)).toMatchObject({ status: "applied" });
  await expectEnd(whole);
});

test.each(servers)("%s killed in the middle of the restore's transaction: it is done in the end", async (which) => {
  let order: RestoreOrder | null = null;
  await killMidway(which, async () => (order = await start()));
  expect(await followRestore(rig.client, order as unknown as RestoreOrder)).toMatchObject({ status: "applied" });
  await expectEnd(whole);
});

test.each(servers)("%s killed while a restore waits for people: it still waits, and can be approved", async (which) => {
  const order = await start({ approval: "ask" });
  const waits = async () =>
    (await readRestoreProgress(rig.client, order).catch(() => null))?.waiting?.for === "approval";
  await waitUntil("the restore waits", waits);
  await serverOf(which).killAndRestart();
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  await waitUntil("the restore waits again", waits);
  await approveRestore(rig.client, order, "ada");
  expect(await followRestore(rig.client, order)).toMatchObject({ status: "applied" });
  await expectEnd(whole);
});

test.each(cases(rollbackPoints))("%s killed, %s %s: the rollback is done in the end", async (which, activity, when) => {
  const { restoreId } = await followRestore(rig.client, await start());
  const rollback = { restoreId, organizationId, partial: false, requestedBy: "test" };
  await killAt(which, [activity, when], () => startRollback(restoreId));
  expect(await followRollback(rig.client, rollback)).toMatchObject({ refused: [] });
  await expectEnd(damaged);
  expect(await getRestore(rig.control, restoreId)).toMatchObject({ status: "rolled_back" });
});

test.each(servers)("%s killed in the middle of the rollback's transaction: it is done in the end", async (which) => {
  const { restoreId } = await followRestore(rig.client, await start());
  const rollback = { restoreId, organizationId, partial: false, requestedBy: "test" };
  await killMidway(which, () => startRollback(restoreId));
  expect(await followRollback(rig.client, rollback)).toMatchObject({ refused: [] });
  await expectEnd(damaged);
});
