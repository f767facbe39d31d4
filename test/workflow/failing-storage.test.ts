// Storage that fails at each single call of a small backup, before the call did anything or after it did everything; passing,
// for ever, or single but beyond retrying. One organization for each case, several at a time.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pLimit from "p-limit";
import { withFaults, type Fault, type FaultyStore } from "../../src/adapters/object-store/faulty.ts";
import { followBackup } from "../../src/client/start-backup.ts";
import type { BackupOutcome } from "../../src/domain/backup-request.ts";
import type { BackupError } from "../../src/domain/errors.ts";
import { openRepository, type Repository } from "../../src/repository/repository.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { proveBackups } from "../support/prove-backups.ts";

/** A backup of a few tables and a photo: every kind of call, and few of each. */
const asked = { dataSets: ["core", "photos"] };
/** At least as many as such a backup makes; the first test finds out how many those are. */
const mostCalls = 24;
const kinds = ["passing", "permanent", "single"] as const;
interface Case {
  readonly call: number;
  readonly when: "before" | "after";
  readonly kind: (typeof kinds)[number];
}

let rig: BackupRig;
const stores = new Map<string, FaultyStore>();
const faultsOf = new Map<string, Fault[]>();

/** Each organization sees the one store through faults of its own. */
function repositoryWithFaults(): Repository {
  const opened = new Map<string, Promise<Repository>>();
  const of = (organizationId: string): Promise<Repository> => {
    const already = opened.get(organizationId);
    if (already !== undefined) return already;
    const store = withFaults(rig.store);
    const opening = openRepository(store, rig.key).then((repository) => {
      store.calls.length = 0; // opening the repository is the worker's start, not the backup
      stores.set(organizationId, store);
      return repository;
    });
    opened.set(organizationId, opening);
    return opening;
  };
  return {
    ...rig.repository,
    openVault: async (organizationId, options) => {
      const repository = await of(organizationId);
      const store = stores.get(organizationId) as FaultyStore;
      if (store.calls.length === 0) store.faults = faultsOf.get(organizationId) ?? [];
      return await repository.openVault(organizationId, options);
    },
  };
}

function plan({ call, when, kind }: Case): Fault[] {
  const code = kind === "passing" ? "StorageUnreachable" : "StorageAccessDenied";
  const length = kind === "permanent" ? 1_000 : 1;
  return Array.from({ length }, (_, index) => ({ call: call + index, when, code }));
}

let calls = 0;

beforeAll(async () => {
  rig = await createBackupRig({
    size: {
      organizations: kinds.length * 2 * mostCalls + 1,
      guestsPerWedding: 4,
      messagesPerWedding: 1,
      photosPerWedding: 1,
    },
  });
  await rig.startWorker({ repository: repositoryWithFaults() });
  const organizationId = rig.organizationIds[0] as string;
  await rig.backUp(organizationId, asked);
  const store = stores.get(organizationId) as FaultyStore;
  expect(new Set(store.calls)).toEqual(new Set(["create", "read", "list", "stat"]));
  calls = store.calls.length;
  expect(calls).toBeLessThanOrEqual(mostCalls);
});
afterAll(async () => await rig?.close());

test.each(kinds.flatMap((kind) => (["before", "after"] as const).map((when) => ({ kind, when }))))(
  "$kind fault $when any call: the backup restores, or is not there",
  async ({ kind, when }) => {
    const atATime = pLimit(6);
    const group = 1 + mostCalls * (kinds.indexOf(kind) * 2 + (when === "before" ? 0 : 1));
    const ends = await Promise.all(
      Array.from({ length: calls }, (_, index) =>
        atATime(() => runOne({ call: index + 1, when, kind }, rig.organizationIds[group + index] as string)),
      ),
    );
    const failed = ends.filter((end) => end === "failed").length;
    if (kind === "passing") expect(failed).toBe(0);
    else expect(failed).toBeGreaterThan(calls / 2);
  },
);

async function runOne(each: Case, organizationId: string): Promise<"completed" | "failed"> {
  const { call, when, kind } = each;
  const place = `${kind} fault ${when} call ${call}`;
  faultsOf.set(organizationId, plan(each));
  const started = await rig.request(organizationId, asked);
  const result: BackupOutcome | BackupError = await followBackup(rig.client, started).catch(
    (error: unknown) => error as BackupError,
  );
  const job = await rig.job(started.backupId);
  const proof = await proveBackups(rig, organizationId);
  const store = stores.get(organizationId);
  if ("code" in result) {
    expect({ place, code: result.code }).toEqual({ place, code: "StorageAccessDenied" });
    expect({ place, job }).toMatchObject({ place, job: { status: "failed", errorCode: result.code } });
    // Listed is only what the job says is stored; or, where a store that refuses everything hides it, what may be.
    const listed = proof.manifests.map((manifest) => manifest.sequence);
    const untold = kind === "permanent" && job.errorMessage?.includes("can't be told") === true;
    if (!untold) expect({ place, listed }).toEqual({ place, listed: job.sequence === null ? [] : [job.sequence] });
    if (proof.unnamedPacks > 0) {
      // Only where removing was refused, too, and then the job says so.
      expect({ place, kind, message: job.errorMessage }).toEqual({
        place,
        kind: "permanent",
        message: expect.stringMatching(/could not be removed|can't be told/),
      });
    }
  } else {
    expect({ place, result }).toMatchObject({ place, result: { status: "completed", sequence: 1 } });
    expect({ place, unnamed: proof.unnamedPacks, listed: proof.manifests.length }).toEqual({
      place,
      unnamed: 0,
      listed: 1,
    });
  }
  // Once the store is well, the next backup works.
  if (store !== undefined) store.faults = [];
  faultsOf.delete(organizationId);
  if (!("code" in result)) return "completed";
  const next = await rig.backUp(organizationId, asked);
  expect({ place, next }).toMatchObject({ place, next: { status: "completed" } });
  await proveBackups(rig, organizationId);
  return "failed";
}
