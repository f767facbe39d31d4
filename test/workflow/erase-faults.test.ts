// Storage that fails at each single call of an erasure, before the call did anything or after it did everything; and
// storage that refuses for good: then the order stands, and goes on when it is ordered again.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { withFaults, type Fault, type FaultyStore } from "../../src/adapters/object-store/faulty.ts";
import { openRepository, type Repository } from "../../src/repository/repository.ts";
import type { OrganizationErasure } from "../../src/repository/erasure.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { erase, erasureOf, storedUnder } from "../support/erase.ts";
import { outcomeOf } from "../support/outcome.ts";

/** At least as many as an erasure makes; the first test finds out how many those are. */
const mostCalls = 18;

let rig: BackupRig;
let calls = 0;
const faults = new Map<string, Fault[]>();
const stores = new Map<string, FaultyStore>();
const erasures = new Map<string, OrganizationErasure>();

/** Each organization sees the one store through faults of its own. */
async function openFaulty(): Promise<Repository> {
  for (const organizationId of rig.organizationIds) {
    const store = withFaults(rig.store);
    const repository = await openRepository(store, rig.key);
    store.calls.length = 0;
    stores.set(organizationId, store);
    erasures.set(organizationId, repository.erasure(organizationId));
  }
  return {
    ...rig.repository,
    erasure: (organizationId) => {
      const store = stores.get(organizationId) as FaultyStore;
      store.faults = faults.get(organizationId) ?? [];
      return erasures.get(organizationId) as OrganizationErasure;
    },
  };
}

beforeAll(async () => {
  rig = await createBackupRig({
    size: { organizations: 2 * mostCalls + 2, guestsPerWedding: 2, messagesPerWedding: 1 },
  });
  const worker = await rig.startWorker();
  for (const organizationId of rig.organizationIds)
    await rig.backUp(organizationId, { proof: "none", dataSets: ["core"] });
  await worker.stop();
  await rig.startWorker({ repository: await openFaulty() });
});
afterAll(async () => await rig?.close());

test("without a fault, an erasure makes so many calls", async () => {
  const organizationId = rig.organizationIds[0] as string;
  expect(await erase(rig, organizationId)).toMatchObject({ status: "erased" });
  calls = stores.get(organizationId)?.calls.length ?? 0;
  expect(calls).toBeGreaterThan(8);
  expect(calls).toBeLessThanOrEqual(mostCalls);
});

test.each(["before", "after"] as const)("a passing fault %s any call costs time, and nothing else", async (when) => {
  const offset = when === "before" ? 1 : 1 + mostCalls;
  await Promise.all(
    Array.from({ length: calls }, async (_, index) => {
      const organizationId = rig.organizationIds[offset + index] as string;
      const stored = await storedUnder(rig, organizationId);
      faults.set(organizationId, [{ call: index + 1, when, code: "StorageUnreachable" }]);
      const place = `${when} call ${index + 1}`;
      const { status, removed } = await erase(rig, organizationId);
      const objects = removed.keys + removed.manifests + removed.packs + removed.others;
      expect({ place, status, objects }).toEqual({ place, status: "erased", objects: stored.length });
      expect({ place, left: await storedUnder(rig, organizationId) }).toEqual({ place, left: [] });
    }),
  );
});

test("a store that refuses to delete is named; the order stands, and ordering it again goes on", async () => {
  const organizationId = rig.organizationIds.at(-1) as string;
  const store = stores.get(organizationId) as FaultyStore;
  const at = stores.get(rig.organizationIds[0] as string)?.calls.indexOf("destroy") ?? 0;
  faults.set(
    organizationId,
    Array.from({ length: 100 }, (_, index) => ({ call: at + 1 + index, when: "before", code: "StorageAccessDenied" })),
  );
  const stored = await storedUnder(rig, organizationId);
  await expect(erase(rig, organizationId)).rejects.toMatchObject({ code: "StorageAccessDenied" });
  expect(await erasureOf(rig, organizationId)).toMatchObject({ status: "ordered", errorCode: "StorageAccessDenied" });
  expect(await storedUnder(rig, organizationId)).toEqual(stored);
  expect(await outcomeOf(() => rig.repository.openVault(organizationId))).toBe("OrganizationErased");
  await expect(rig.backUp(organizationId)).rejects.toMatchObject({ code: "OrganizationErased" });
  const failed = await rig.database.query(
    "SELECT 1 FROM backup.audit_log WHERE organization_id = $1 AND action = 'organization.erase' AND outcome = 'failed'",
    [organizationId],
  );
  expect(failed).toHaveLength(1);

  faults.delete(organizationId);
  store.faults = [];
  expect(await erase(rig, organizationId)).toMatchObject({ status: "erased", removed: { keys: 1, manifests: 1 } });
  expect(await storedUnder(rig, organizationId)).toEqual([]);
  expect(await erasureOf(rig, organizationId)).toMatchObject({ status: "erased", errorCode: null });
});
