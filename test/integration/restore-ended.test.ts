// Restores that were ended from outside, by `temporal workflow terminate`: no compensation runs. They must not keep others
// waiting, must not leave staging behind, and what became of their rows must be told.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { requestErasure } from "../../src/control/erasures.ts";
import { getRestore } from "../../src/control/restores.ts";
import { restoreWorkflowId, type RestoreOrder } from "../../src/domain/restore-run.ts";
import { activityPoints, type ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { erase, erasureOf, orderErasure } from "../support/erase.ts";
import { eventually } from "../support/eventually.ts";
import { untilHeld } from "../support/held-rows.ts";
import { openRestoreRig, type RestoreRig } from "../support/restore-rig.ts";

let rig: BackupRig;
let restores: RestoreRig;
let organizationId: string;
let other: string;
const pauses: ActivityPoint[] = [];
const reached: ActivityPoint[] = [];
const first = { choice: { by: "sequence", sequence: 1 } } as const;

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 2 } });
  [organizationId = "", other = ""] = rig.organizationIds;
  await rig.startWorker({
    activityInterceptors: [activityPoints({ pauses, onReached: (point) => reached.push(point) })],
  });
  await rig.backUp(organizationId);
  restores = await openRestoreRig(rig);
});
afterAll(async () => await rig.close());

beforeEach(async () => {
  pauses.length = 0;
  reached.length = 0;
  await restores.spoil();
});

const terminate = (order: RestoreOrder) =>
  rig.client.workflow.getHandle(restoreWorkflowId(order)).terminate("by the operator");
const schemaOf = (restoreId: string): string => `wedsync_restore_${restoreId.replaceAll("-", "")}`;
const expectWholeAndNothingLeft = () => restores.expectEnd(restores.whole);

test("one that waited for people: the next restore takes over, and it counts as failed", async () => {
  const ended = await restores.order({ strategy: "prompt", approval: "ask" });
  await restores.untilItWaits(ended);
  await expect(restores.restore()).rejects.toMatchObject({ code: "OrganizationBusy" });
  await terminate(ended);
  expect(await restores.restore()).toMatchObject({ status: "applied", preRestoreSequence: 2 });
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
  const ended = await restores.order();
  await eventually("the rows to be committed", async () => reached.length === 1);
  await terminate(ended);
  // A backup asks for the lease, too.
  await rig.backUp(organizationId);
  const row = await getRestore(rig.control, ended.restoreId);
  expect(row).toMatchObject({ status: "applied", errorCode: "Cancelled" });
  expect(row.errorMessage).toContain(`wedsync-backup rollback ${ended.restoreId}`);
  await expectWholeAndNothingLeft();
  expect(await restores.rollBack(ended.restoreId)).toMatchObject({ refused: [] });
  expect(await restores.checksums()).toEqual(restores.damaged);
  await restores.restore(first);
  await expectWholeAndNothingLeft();
});

test("one whose transaction is still at work is not taken over before that ends", async () => {
  const release = await restores.holdGuest();
  const ended = await restores.order(first);
  await untilHeld(rig);
  await terminate(ended);
  await expect(restores.restore(first)).rejects.toMatchObject({
    code: "OrganizationBusy",
  });
  expect(await restores.checksums()).toEqual(restores.damaged);
  await release();
  const outcome = await eventually("the organization to be free", async () => {
    try {
      return await restores.restore(first);
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
  const { restoreId } = await restores.restore(first);
  pauses.push({ organizationId, activity: "undoRestore", when: "after" });
  await restores.orderRollback(restoreId);
  await eventually("the rows to be undone", async () => reached.length === 1);
  await rig.client.workflow.getHandle(`rollback/${organizationId}/${restoreId}`).terminate("by the operator");
  expect(await restores.restore(first)).toMatchObject({ status: "applied" });
  expect(await getRestore(rig.control, restoreId)).toMatchObject({ status: "rolled_back", errorCode: "Cancelled" });
  await expectWholeAndNothingLeft();
});

test("staging that a cut-off worker made after its restore was over is swept by the next; a stranger's is not", async () => {
  const { restoreId } = await restores.restore(first);
  const stranger = schemaOf(randomUUID());
  for (const schema of [schemaOf(restoreId), stranger])
    await rig.database.query(`CREATE SCHEMA ${schema} CREATE TABLE facts (name text)`);
  try {
    await restores.restore(first);
    expect(await restores.staged()).toEqual([stranger]);
  } finally {
    await rig.database.query(`DROP SCHEMA ${stranger} CASCADE`);
  }
  await expectWholeAndNothingLeft();
});

test("a dry run that was ended is swept by the restore of another organization", async () => {
  await rig.backUp(other);
  const ended = await restores.order({ dryRun: true });
  await restores.untilItWaits(ended);
  await terminate(ended);
  expect(await restores.staged()).toEqual([schemaOf(ended.restoreId)]);
  await restores.restore({ organizationId: other, targetOrganizationId: other });
  expect(await getRestore(rig.control, ended.restoreId)).toMatchObject({ status: "failed" });
  await restores.restore(first);
  await expectWholeAndNothingLeft();
});

test("an erasure that was ended before its order keeps nobody waiting, counts as refused, and can be asked for again", async () => {
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
