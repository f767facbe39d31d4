// A restore holds its organization's lease while it writes. One that lost it to another operation (it was cut off, and was
// taken for dead) must not write beside that one.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { followRestore } from "../../src/client/start-restore.ts";
import { getRestore } from "../../src/control/restores.ts";
import { activityPoints, type ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { checksumsOf } from "../support/organization-checksums.ts";
import { orderRestore } from "../support/order-restore.ts";
import { waitUntil } from "../support/wait-until.ts";

let rig: BackupRig;
let organizationId: string;
let goOn: () => void = () => {};
const reached: ActivityPoint[] = [];

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: 1 } });
  [organizationId = ""] = rig.organizationIds;
  const released = new Promise<void>((resolve) => (goOn = resolve));
  const pauses = [{ organizationId, activity: "applyRestore", when: "before" as const }];
  await rig.startWorker({
    activityInterceptors: [activityPoints({ pauses, released, onReached: (point) => reached.push(point) })],
  });
  await rig.backUp(organizationId);
});
afterAll(async () => await rig?.close());

test("a restore whose lease went to another operation writes nothing, and leaves that lease alone", async () => {
  await rig.database.query("UPDATE guests SET notes = 'spoilt' WHERE organization_id = $1", [organizationId]);
  const damaged = await checksumsOf(rig, organizationId);
  const order = await orderRestore(rig, { organizationId });
  await waitUntil("the restore is about to write", () => reached.length === 1);
  const another = randomUUID();
  await rig.database.query(
    "UPDATE backup.backup_leases SET operation = 'backup', holder = $2, fencing_token = nextval('backup.fencing_tokens') WHERE organization_id = $1",
    [organizationId, another],
  );
  goOn();
  await expect(followRestore(rig.client, order)).rejects.toMatchObject({ code: "OrganizationBusy" });
  expect(await checksumsOf(rig, organizationId)).toEqual(damaged);
  expect(await getRestore(rig.control, order.restoreId)).toMatchObject({
    status: "failed",
    errorCode: "OrganizationBusy",
  });
  expect(await rig.database.query("SELECT holder FROM backup.backup_leases")).toEqual([{ holder: another }]);
});
