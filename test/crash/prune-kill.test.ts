// kill -9 of the worker at every step of a prune: one organization waits at each point, all in one worker; that worker is
// killed, and another takes over. Whatever is listed restores at every moment, and each prune ends as if nothing had been.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { runPrune } from "../../src/client/start-prune.ts";
import type { ActivityPoint } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { startChildWorker, type ChildWorker } from "../support/child-worker.ts";
import { proveBackups } from "../support/prove-backups.ts";
import { waitUntil } from "../support/wait-until.ts";
import { keepPolicy } from "../support/policies.ts";

const places = ["openPrune", "releaseBackups", "sweepStore", "reportPrune"].flatMap((activity) =>
  (["before", "after"] as const).map((when) => ({ activity, when })),
);

let rig: BackupRig;
const workers: ChildWorker[] = [];

beforeAll(async () => {
  rig = await createBackupRig({ size: { organizations: places.length, guestsPerWedding: 4, messagesPerWedding: 2 } });
  const worker = await rig.startWorker();
  for (const organizationId of rig.organizationIds) {
    const { id: policyId } = await keepPolicy(rig.control, organizationId, { retention: { last: 1, minProven: 1 } });
    for (let time = 0; time < 3; time++) {
      await rig.database.query("UPDATE guests SET last_name = gen_random_uuid()::text WHERE organization_id = $1", [
        organizationId,
      ]);
      await rig.backUp(organizationId, { policyId });
    }
  }
  await worker.stop();
});
afterAll(async () => {
  for (const worker of workers) await worker.end("SIGKILL");
  await rig?.close();
});

test("a worker that is killed at any step of a prune costs time, and nothing else", async () => {
  const runs = places.map((place, index) => ({ ...place, organizationId: rig.organizationIds[index] as string }));
  const pauses: ActivityPoint[] = runs;
  const doomed = await startChildWorker(rig, { pauses });
  workers.push(doomed);
  const ends = new Map(
    runs.map(({ organizationId }) => [
      organizationId,
      runPrune(rig.client, { organizationId, requestedBy: "test", graceMs: 0 }).catch((error: unknown) => error),
    ]),
  );
  await waitUntil("every prune waits at its point", () => doomed.reached.length === pauses.length);
  await doomed.end("SIGKILL");
  for (const { organizationId, activity, when } of runs) {
    const { manifests } = await proveBackups(rig, organizationId);
    const isReleased = !(activity === "openPrune" || (activity === "releaseBackups" && when === "before"));
    const listed = manifests.map(({ sequence }) => sequence);
    expect({ activity, when, listed }).toEqual({ activity, when, listed: isReleased ? [3] : [1, 2, 3] });
  }

  workers.push(await startChildWorker(rig));
  for (const { organizationId, activity, when } of runs) {
    const place = `${when} ${activity}`;
    const outcome = await ends.get(organizationId);
    // A step whose answer was lost is done again, and finds less to do; what is there at the end is the same.
    expect({ place, outcome }).toMatchObject({ place, outcome: { organizationId, kept: 1, legalHold: false } });
    const { manifests, unnamedPacks } = await proveBackups(rig, organizationId);
    expect({ place, listed: manifests.map(({ sequence }) => sequence), unnamedPacks }).toEqual({
      place,
      listed: [3],
      unnamedPacks: 0,
    });
  }
  expect(await rig.database.query("SELECT DISTINCT status FROM backup.backup_prunes")).toEqual([
    { status: "completed" },
  ]);
  expect(await rig.database.query("SELECT * FROM backup.backup_leases")).toEqual([]);
});
