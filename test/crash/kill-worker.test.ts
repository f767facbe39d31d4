// kill -9 of the worker at every stage: one organization waits at each point, all in one worker; that worker is killed, and
// another takes over. Every run ends in a backup that restores, or in a failed job that left nothing.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { followBackup, type StartedBackup } from "../../src/client/start-backup.ts";
import type { ActivityPoint, FailingPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { startChildWorker, type ChildWorker } from "../support/child-worker.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { waitUntil } from "../support/wait-until.ts";

const activities = [
  "authorizeBackup",
  "holdSnapshot",
  "collectBatch",
  "compressBatch",
  "encryptBatch",
  "uploadBatch",
  "sealBackup",
  "verifyBackup",
  "reportBackup",
];
const places = activities.flatMap((activity) =>
  (["before", "after"] as const).map((when) => ({ activity, when, fails: false })),
);
/** The same for the way out of a run that fails at its seal. */
const failingPlaces = ["rollBackUploads", "closeFailedBackup"].flatMap((activity) =>
  (["before", "after"] as const).map((when) => ({ activity, when, fails: true })),
);

let rig: BackupRig;
const workers: ChildWorker[] = [];

beforeAll(async () => {
  rig = await createBackupRig({
    size: { organizations: places.length + failingPlaces.length, guestsPerWedding: 12, messagesPerWedding: 10 },
  });
});
afterAll(async () => {
  for (const worker of workers) await worker.end("SIGKILL");
  await rig?.close();
});

test("a worker that is killed at any point costs time, and nothing else", async () => {
  const runs = [...places, ...failingPlaces].map((place, index) => ({
    ...place,
    organizationId: rig.organizationIds[index] as string,
  }));
  const pauses: ActivityPoint[] = runs.map(({ organizationId, activity, when }) => ({
    organizationId,
    activity,
    when,
  }));
  const failures: FailingPoint[] = runs
    .filter((run) => run.fails)
    .map(({ organizationId }) => ({
      organizationId,
      activity: "sealBackup",
      when: "before",
      code: "StorageAccessDenied",
    }));

  const doomed = await startChildWorker(rig, { pauses, failures });
  workers.push(doomed);
  const started = new Map<string, StartedBackup>();
  for (const { organizationId } of runs) started.set(organizationId, await rig.request(organizationId));
  await waitUntil("every run waits at its point", () => doomed.reached.length === pauses.length);
  await doomed.end("SIGKILL");

  workers.push(await startChildWorker(rig, { failures }));
  for (const { organizationId, activity, when, fails } of runs) {
    const run = started.get(organizationId) as StartedBackup;
    const result = await followBackup(rig.client, run).catch((error: unknown) => error);
    const place = `${when} ${activity}`;
    const { manifests, unnamedPacks } = await proveBackups(rig, organizationId);
    const job = await rig.job(run.backupId);
    if (fails) {
      expect({ place, result }).toMatchObject({ place, result: { code: "StorageAccessDenied" } });
      expect({ place, listed: manifests.length, unnamedPacks }).toEqual({ place, listed: 0, unnamedPacks: 0 });
      expect({ place, job }).toMatchObject({ place, job: { status: "failed", errorCode: "StorageAccessDenied" } });
    } else {
      expect({ place, result }).toMatchObject({ place, result: { status: "completed", sequence: 1 } });
      expect({ place, listed: manifests.map((manifest) => manifest.backupId) }).toEqual({
        place,
        listed: [run.backupId],
      });
      expect({ place, unnamedPacks }).toEqual({ place, unnamedPacks: 0 });
      expect({ place, job }).toMatchObject({ place, job: { status: "completed", sequence: 1, proven: "content" } });
    }
  }
  expect(workers.flatMap((worker) => worker.foreign)).toEqual([]);
  const leases = await rig.database.query("SELECT * FROM backup.backup_leases");
  expect(leases).toEqual([]);
});
