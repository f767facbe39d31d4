// A cancel at each stage: before the manifest it leaves nothing; after it the backup stays, and says what was not proven.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { cancelBackup, followBackup } from "../../src/client/start-backup.ts";
import type { ActivityPoint } from "../support/activity-points.ts";
import { activityPoints } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { waitUntil } from "../support/wait-until.ts";

const places: { activity: string; when: "before" | "after"; ends: "cancelled" | "completed" }[] = [
  { activity: "holdSnapshot", when: "before", ends: "cancelled" },
  { activity: "collectBatch", when: "before", ends: "cancelled" },
  { activity: "collectBatch", when: "after", ends: "cancelled" },
  { activity: "compressBatch", when: "after", ends: "cancelled" },
  { activity: "encryptBatch", when: "after", ends: "cancelled" },
  { activity: "uploadBatch", when: "before", ends: "cancelled" },
  { activity: "uploadBatch", when: "after", ends: "cancelled" },
  { activity: "sealBackup", when: "before", ends: "cancelled" },
  // The manifest is written: the answer alone is missing.
  { activity: "sealBackup", when: "after", ends: "completed" },
  { activity: "verifyBackup", when: "before", ends: "completed" },
  { activity: "verifyBackup", when: "after", ends: "completed" },
];

let rig: BackupRig;
const reached: ActivityPoint[] = [];

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: places.length, guestsPerWedding: 10, messagesPerWedding: 5 } });
  const pauses = places.map(({ activity, when }, index) => ({
    organizationId: rig.organizationIds[index] as string,
    activity,
    when,
  }));
  await rig.startWorker({
    maxSnapshots: places.length,
    activityInterceptors: [activityPoints({ pauses, onReached: (point) => reached.push(point) })],
  });
});
afterAll(async () => await rig?.close());

test.each(places.map((place, index) => ({ ...place, index })))(
  "$when $activity: $ends",
  async ({ index, activity, when, ends }) => {
    const organizationId = rig.organizationIds[index] as string;
    const started = await rig.request(organizationId);
    await waitUntil(`${when} ${activity} is reached`, () =>
      reached.some((point) => point.organizationId === organizationId),
    );
    await cancelBackup(rig.client, started);
    const result = await followBackup(rig.client, started).catch((error: unknown) => error);
    const job = await rig.job(started.backupId);
    const { manifests, unnamedPacks } = await proveBackups(rig, organizationId);
    expect(unnamedPacks).toBe(0);
    if (ends === "cancelled") {
      expect(result).toMatchObject({ code: "Cancelled" });
      expect(job).toMatchObject({ status: "cancelled", errorCode: "Cancelled", sequence: null });
      expect(manifests).toEqual([]);
    } else {
      expect(result).toMatchObject({ status: "completed", sequence: 1, proof: "none" });
      expect(job).toMatchObject({ status: "completed", sequence: 1, errorCode: null });
      expect(manifests.map((manifest) => manifest.backupId)).toEqual([started.backupId]);
    }
    // Nothing is held: no lease, no snapshot, and the next backup works.
    await waitUntil("no connection holds a snapshot", async () => {
      const open =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'wedsync-backup'";
      return (await rig.database.query(open)).length === 0;
    });
    expect(await rig.database.query("SELECT 1 FROM backup.backup_leases")).toEqual([]);
    expect(await rig.backUp(organizationId)).toMatchObject({ status: "completed", proof: "content" });
    await proveBackups(rig, organizationId);
  },
);
