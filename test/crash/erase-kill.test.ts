// kill -9 of every worker while one erasure waits at each point; other workers end them all. From the destroyed keys on
// nothing can be read, whatever was killed; each erasure is certified once, with exact figures, and nobody else is touched.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { followErasure } from "../../src/client/start-erasure.ts";
import { verifyAuditLog } from "../../src/control/audit-chain.ts";
import { organizationPrefix } from "../../src/repository/names.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { startChildWorker, type ChildWorker } from "../support/child-worker.ts";
import { bytesUnder, erasureOf, orderErasure, storedUnder } from "../support/erase.ts";
import { outcomeOf } from "../support/outcome.ts";
import { waitUntil } from "../support/wait-until.ts";

const activities = [
  "openErasure",
  "inspectErasure",
  "orderErasure",
  "raiseTombstone",
  "destroyKeys",
  "countStored",
  "deleteStored",
  "forgetUndo",
  "endSchedules",
  "forgetRows",
  "certifyErasure",
];
const places = activities.flatMap((activity) => (["before", "after"] as const).map((when) => ({ activity, when })));
/** From here on the key must be gone. */
const keyless = places.findIndex(({ activity, when }) => activity === "destroyKeys" && when === "after");
/** Each holds eight of the waiting activities. */
const doomedWorkers = 3;

let rig: BackupRig;
let untouched: string;
const workers: ChildWorker[] = [];

beforeAll(async () => {
  rig = await createBackupRig({
    size: { organizations: places.length + 1, guestsPerWedding: 4, messagesPerWedding: 2 },
  });
  const worker = await rig.startWorker();
  for (const organizationId of rig.organizationIds) await rig.backUp(organizationId, { proof: "none" });
  await worker.stop();
  untouched = rig.organizationIds[places.length] as string;
});
afterAll(async () => {
  for (const worker of workers) await worker.end("SIGKILL");
  await rig?.close();
});

test("killed at any point, an erasure is ended by another worker", async () => {
  const runs = places.map((place, index) => ({ ...place, organizationId: rig.organizationIds[index] as string }));
  const before = new Map<string, number>();
  for (const { organizationId } of runs) before.set(organizationId, (await storedUnder(rig, organizationId)).length);
  const others = await bytesUnder(rig, organizationPrefix(untouched));

  const doomed = await Promise.all(
    Array.from({ length: doomedWorkers }, () => startChildWorker(rig, { pauses: runs })),
  );
  workers.push(...doomed);
  for (const { organizationId } of runs) await orderErasure(rig, organizationId);
  const reached = (): number => doomed.reduce((sum, worker) => sum + worker.reached.length, 0);
  await waitUntil("every erasure waits at its point", () => reached() === runs.length, 240_000);
  for (const worker of doomed) await worker.end("SIGKILL");

  for (const [index, { organizationId, activity, when }] of runs.entries()) {
    const place = `${when} ${activity}`;
    const keys = (await storedUnder(rig, organizationId)).filter((key) => key.includes("/keys/"));
    expect({ place, keys: keys.length }).toEqual({ place, keys: index < keyless ? 1 : 0 });
  }

  workers.push(await startChildWorker(rig));
  for (const { organizationId, activity, when } of runs) {
    const place = `${when} ${activity}`;
    const { status, removed } = await followErasure(rig.client, { organizationId });
    const objects = removed.keys + removed.manifests + removed.packs + removed.others;
    expect({ place, status, objects }).toEqual({ place, status: "erased", objects: before.get(organizationId) });
    expect({ place, left: await storedUnder(rig, organizationId) }).toEqual({ place, left: [] });
    expect(await outcomeOf(() => rig.repository.openVault(organizationId))).toBe("OrganizationErased");
    expect({ place, row: await erasureOf(rig, organizationId) }).toMatchObject({
      place,
      row: { status: "erased", keyIds: [expect.any(String)], controlRows: { backup_jobs: 1 }, errorCode: null },
    });
    const certificates = await rig.database.query(
      "SELECT 1 FROM backup.audit_log WHERE organization_id = $1 AND action = 'organization.erase' AND outcome = 'done'",
      [organizationId],
    );
    expect({ place, certificates: certificates.length }).toEqual({ place, certificates: 1 });
  }
  expect(await bytesUnder(rig, organizationPrefix(untouched))).toEqual(others);
  expect((await rig.repository.openVault(untouched)).organizationId).toBe(untouched);
  expect(await rig.database.query("SELECT 1 FROM backup.backup_leases")).toEqual([]);
  expect((await verifyAuditLog(rig.control)).problems).toEqual([]);
});
