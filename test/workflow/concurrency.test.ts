// Several at once: two starts of one organization, many organizations on a narrow bench, another holder of the lease, and
// runs that are ended by force.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { followBackup } from "../../src/client/start-backup.ts";
import type { ActivityPoint, FailingPoint } from "../support/activity-points.ts";
import { activityPoints } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { waitUntil } from "../support/wait-until.ts";

let rig: BackupRig;
const reached: ActivityPoint[] = [];
let release = (): void => {};
const [joined, terminated, takenOver, full, ...crowd] = Array.from({ length: 14 }, (_, index) => index) as [
  number,
  number,
  number,
  number,
  ...number[],
];
const id = (index: number): string => rig.organizationIds[index] as string;
const isReached = (index: number, when: "before" | "after"): Promise<void> =>
  waitUntil(`organization ${index} waits`, () =>
    reached.some((point) => point.organizationId === id(index) && point.when === when),
  );

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 14, guestsPerWedding: 10, messagesPerWedding: 5 } });
  const pauses: ActivityPoint[] = [
    { organizationId: id(joined), activity: "collectBatch", when: "before" },
    { organizationId: id(terminated), activity: "uploadBatch", when: "after" },
    { organizationId: id(takenOver), activity: "sealBackup", when: "before" },
  ];
  const failures: FailingPoint[] = [
    { organizationId: id(full), activity: "uploadBatch", when: "before", code: "StorageFull" },
  ];
  const released = new Promise<void>((resolve) => (release = resolve));
  await rig.startWorker({
    maxSnapshots: 10,
    // Room for one organization's batch at a time: the others wait for it, and for nothing else.
    benchBytes: 8 * 1024 * 1024,
    activityInterceptors: [activityPoints({ pauses, failures, released, onReached: (point) => reached.push(point) })],
  });
});
afterAll(async () => await rig?.close());

test("a second start joins the first", async () => {
  const first = await rig.request(id(joined));
  await isReached(joined, "before");
  const second = await rig.request(id(joined));
  expect(second).toEqual({ ...first, joined: true });
});

test("ended by force: the next backup works, and the job does not stay open", async () => {
  const first = await rig.request(id(terminated));
  await isReached(terminated, "after");
  await rig.client.workflow.getHandle(first.workflowId, first.backupId).terminate("by the operator");
  const outcome = await rig.backUp(id(terminated));
  expect(outcome).toMatchObject({ status: "completed", sequence: 1 });
  expect(await rig.job(first.backupId)).toMatchObject({ status: "failed", errorCode: "Cancelled", sequence: null });
  const { manifests } = await proveBackups(rig, id(terminated));
  expect(manifests.map((manifest) => manifest.backupId)).toEqual([outcome.backupId]);
});

test("whose lease went to another operation may not seal, and removes nothing", async () => {
  const started = await rig.request(id(takenOver));
  await isReached(takenOver, "before");
  const restore = randomUUID();
  await rig.database.query(
    "UPDATE backup.backup_leases SET operation = 'restore', holder = $2, fencing_token = nextval('backup.fencing_tokens') WHERE organization_id = $1",
    [id(takenOver), restore],
  );
  release();
  await expect(followBackup(rig.client, started)).rejects.toMatchObject({ code: "OrganizationBusy" });
  const { manifests, unnamedPacks } = await proveBackups(rig, id(takenOver));
  expect(manifests).toEqual([]);
  expect(unnamedPacks).toBe(1); // the other operation may count on it
  expect(await rig.job(started.backupId)).toMatchObject({ status: "failed", errorCode: "OrganizationBusy" });
  // The other's lease is not given back by us, and keeps further backups out.
  await expect(rig.backUp(id(takenOver))).rejects.toMatchObject({ code: "OrganizationBusy" });
  const leases = "SELECT holder FROM backup.backup_leases WHERE organization_id = $1";
  expect(await rig.database.query(leases, [id(takenOver)])).toEqual([{ holder: restore }]);
  await rig.database.query("DELETE FROM backup.backup_leases WHERE holder = $1", [restore]);
  expect(await rig.backUp(id(takenOver))).toMatchObject({ status: "completed" });
});

test("the first, set free, ends well", async () => {
  const started = await rig.client.workflow.getHandle(`backup/${id(joined)}`).result();
  expect(started).toMatchObject({ status: "completed", sequence: 1 });
  await proveBackups(rig, id(joined));
});

test("a full store is named, and leaves nothing", async () => {
  const started = await rig.request(id(full));
  await expect(followBackup(rig.client, started)).rejects.toMatchObject({ code: "StorageFull" });
  const { manifests, unnamedPacks } = await proveBackups(rig, id(full));
  expect({ listed: manifests.length, unnamedPacks }).toEqual({ listed: 0, unnamedPacks: 0 });
  expect(await rig.job(started.backupId)).toMatchObject({ status: "failed", errorCode: "StorageFull" });
});

test("ten organizations on a bench with room for one: all come through, nothing is mixed up", async () => {
  const outcomes = await Promise.all(crowd.map((index) => rig.backUp(id(index))));
  expect(outcomes.map((outcome) => outcome.status)).toEqual(crowd.map(() => "completed"));
  expect(outcomes.map((outcome) => outcome.restarts)).toEqual(crowd.map(() => 0));
  for (const index of crowd) {
    const { manifests, unnamedPacks } = await proveBackups(rig, id(index));
    expect(unnamedPacks).toBe(0);
    expect(manifests.map((manifest) => manifest.organizationId)).toEqual([id(index)]);
  }
});
