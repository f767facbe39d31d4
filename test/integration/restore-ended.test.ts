// Restores that were ended from outside, by `temporal workflow terminate`: no compensation runs. They must not keep others
// waiting, must not leave staging behind, and what became of their rows must be told.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { Client } from "pg";
import { followRestore, followRollback, readRestoreProgress, requestRollback } from "../../src/client/start-restore.ts";
import { requestErasure } from "../../src/control/erasures.ts";
import { getRestore } from "../../src/control/restores.ts";
import { restoreWorkflowId, type RestoreOrder } from "../../src/domain/restore-run.ts";
import { activityPoints, type ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { erase, erasureOf, orderErasure } from "../support/erase.ts";
import { eventually } from "../support/eventually.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { orderRestore } from "../support/order-restore.ts";

let rig: BackupRig;
let organizationId: string;
let whole: Record<string, string>;
let damaged: Record<string, string>;
const pauses: ActivityPoint[] = [];
const reached: ActivityPoint[] = [];

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 2 } });
  [organizationId = ""] = rig.organizationIds;
  await rig.startWorker({
    activityInterceptors: [activityPoints({ pauses, onReached: (point) => reached.push(point) })],
  });
  await rig.backUp(organizationId);
  whole = await checksumsOf(rig, organizationId);
});
afterAll(async () => await rig.close());

beforeEach(async () => {
  pauses.length = 0;
  reached.length = 0;
  await rig.database.query("UPDATE guests SET notes = 'spoilt' WHERE organization_id = $1", [organizationId]);
  damaged = await checksumsOf(rig, organizationId);
});

async function start(asked: Partial<RestoreOrder> = {}): Promise<RestoreOrder> {
  return await orderRestore(rig, { organizationId, ...asked });
}

const restore = async (asked: Partial<RestoreOrder> = {}) => await followRestore(rig.client, await start(asked));
const terminate = (order: RestoreOrder) =>
  rig.client.workflow.getHandle(restoreWorkflowId(order)).terminate("by the operator");
const waiting = (order: RestoreOrder) =>
  eventually("the restore to wait", async () => (await readRestoreProgress(rig.client, order))?.waiting !== null);
const staged = async () =>
  (
    await rig.database.query<{ name: string }>(
      "SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'wedsync\\_restore\\_%'",
    )
  ).map(({ name }) => name);
const schemaOf = (restoreId: string): string => `wedsync_restore_${restoreId.replaceAll("-", "")}`;

async function expectWholeAndNothingLeft(): Promise<void> {
  expect(await checksumsOf(rig, organizationId)).toEqual(whole);
  expect(await staged()).toEqual([]);
  expect(await rig.database.query("SELECT * FROM backup.backup_leases")).toEqual([]);
}

test("one that waited for people: the next restore takes over, and it counts as failed", async () => {
  const ended = await start({ strategy: "prompt", approval: "ask" });
  await waiting(ended);
  await expect(restore()).rejects.toMatchObject({ code: "OrganizationBusy" });
  await terminate(ended);
  expect(await restore()).toMatchObject({ status: "applied", preRestoreSequence: 2 });
  expect(await getRestore(rig.control, ended.restoreId)).toMatchObject({
    status: "failed",
    waitsFor: null,
    errorCode: "Cancelled",
    errorMessage: "The run was ended from outside; nothing of it remains.",
  });
  expect(
    await rig.database.query("SELECT 1 FROM wedsync_restore.conflicts WHERE restore_id = $1", [ended.restoreId]),
  ).toEqual([]);
  await expectWholeAndNothingLeft();
});

test("one whose rows were committed stays applied, says so, and can be rolled back", async () => {
  pauses.push({ organizationId, activity: "applyRestore", when: "after" });
  const ended = await start();
  await eventually("the rows to be committed", async () => reached.length === 1);
  await terminate(ended);
  // A backup asks for the lease, too.
  await rig.backUp(organizationId);
  const row = await getRestore(rig.control, ended.restoreId);
  expect(row).toMatchObject({ status: "applied", errorCode: "Cancelled" });
  expect(row.errorMessage).toContain(`wedsync-backup rollback ${ended.restoreId}`);
  await expectWholeAndNothingLeft();
  const rollback = { restoreId: ended.restoreId, organizationId, partial: false, requestedBy: "test" };
  await requestRollback(rig.client, rollback);
  expect(await followRollback(rig.client, rollback)).toMatchObject({ refused: [] });
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  await restore({ choice: { by: "sequence", sequence: 1 } });
  await expectWholeAndNothingLeft();
});

test("one whose transaction is still at work is not taken over before that ends", async () => {
  const person = new Client({ connectionString: rig.database.url });
  await person.connect();
  await person.query("BEGIN");
  await person.query("SELECT 1 FROM guests WHERE organization_id = $1 FOR UPDATE", [organizationId]);
  const ended = await start({ choice: { by: "sequence", sequence: 1 } });
  await eventually("the apply to wait for the row", async () => {
    const [row] = await rig.database.query<{ waiting: string }>(
      "SELECT count(*) AS waiting FROM pg_stat_activity WHERE application_name = 'wedsync-backup restore' AND wait_event_type = 'Lock'",
    );
    return Number(row?.waiting ?? 0) > 0;
  });
  await terminate(ended);
  await expect(restore({ choice: { by: "sequence", sequence: 1 } })).rejects.toMatchObject({
    code: "OrganizationBusy",
  });
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  await person.query("ROLLBACK");
  await person.end();
  const outcome = await eventually("the organization to be free", async () => {
    try {
      return await restore({ choice: { by: "sequence", sequence: 1 } });
    } catch (error) {
      expect(error).toMatchObject({ code: "OrganizationBusy" });
      return null;
    }
  });
  expect(outcome).toMatchObject({ status: "applied" });
  expect((await getRestore(rig.control, ended.restoreId)).errorCode).toBe("Cancelled");
  await expectWholeAndNothingLeft();
});

test("a rollback that was ended after its rows were undone counts as rolled back", async () => {
  const { restoreId } = await restore({ choice: { by: "sequence", sequence: 1 } });
  pauses.push({ organizationId, activity: "undoRestore", when: "after" });
  const rollback = { restoreId, organizationId, partial: false, requestedBy: "test" };
  await requestRollback(rig.client, rollback);
  await eventually("the rows to be undone", async () => reached.length === 1);
  await rig.client.workflow.getHandle(`rollback/${organizationId}/${restoreId}`).terminate("by the operator");
  expect(await restore({ choice: { by: "sequence", sequence: 1 } })).toMatchObject({ status: "applied" });
  expect(await getRestore(rig.control, restoreId)).toMatchObject({ status: "rolled_back", errorCode: "Cancelled" });
  await expectWholeAndNothingLeft();
});

test("staging that a cut-off worker made after its restore was over is swept by the next; a stranger's is not", async () => {
  const { restoreId } = await restore({ choice: { by: "sequence", sequence: 1 } });
  const stranger = schemaOf(randomUUID());
  for (const schema of [schemaOf(restoreId), stranger])
    await rig.database.query(`CREATE SCHEMA ${schema} CREATE TABLE facts (name text)`);
  try {
    await restore({ choice: { by: "sequence", sequence: 1 } });
    expect(await staged()).toEqual([stranger]);
  } finally {
    await rig.database.query(`DROP SCHEMA ${stranger} CASCADE`);
  }
  await expectWholeAndNothingLeft();
});

test("a dry run that was ended is swept by the restore of another organization", async () => {
  const [, other = ""] = rig.organizationIds;
  await rig.backUp(other);
  const ended = await start({ dryRun: true });
  await waiting(ended);
  await terminate(ended);
  expect(await staged()).toEqual([schemaOf(ended.restoreId)]);
  await restore({ organizationId: other, targetOrganizationId: other });
  expect(await getRestore(rig.control, ended.restoreId)).toMatchObject({ status: "failed" });
  await restore({ choice: { by: "sequence", sequence: 1 } });
  await expectWholeAndNothingLeft();
});

test("an erasure that was ended before its order keeps nobody waiting, counts as refused, and can be asked for again", async () => {
  const [, other = ""] = rig.organizationIds;
  const at = { organizationId: other, activity: "inspectErasure", when: "before" } as const;
  pauses.push(at);
  const erasureId = await orderErasure(rig, other);
  await eventually("the erasure to look", async () => reached.length === 1);
  await expect(rig.backUp(other)).rejects.toMatchObject({ code: "OrganizationBusy" });
  await rig.client.workflow.getHandle(`erase/${other}`).terminate("by the operator");
  await rig.backUp(other);
  expect(await erasureOf(rig, other)).toMatchObject({
    status: "refused",
    errorCode: "Cancelled",
    errorMessage: "The run was ended from outside; nothing was erased.",
  });
  expect(
    await rig.database.query(
      "SELECT outcome, details ->> 'code' AS code FROM backup.audit_log WHERE action = 'organization.erase' AND subject = $1",
      [erasureId],
    ),
  ).toEqual([{ outcome: "refused", code: "Cancelled" }]);
  expect(await rig.database.query("SELECT * FROM backup.backup_leases")).toEqual([]);

  // Asked for again before anybody has noticed: the lease goes, the request stays.
  pauses.push({ ...at });
  await orderErasure(rig, other);
  await eventually("the erasure to look again", async () => reached.length === 2);
  await rig.client.workflow.getHandle(`erase/${other}`).terminate("by the operator");
  await requestErasure(rig.control, { organizationId: other, actor: "otto", leaveLocked: false });
  await rig.backUp(other);
  expect(await erasureOf(rig, other)).toMatchObject({ status: "requested", requestedBy: "otto", errorCode: null });
  expect(await rig.database.query("SELECT * FROM backup.backup_leases")).toEqual([]);
  expect(await erase(rig, other)).toMatchObject({ status: "erased" });
});
