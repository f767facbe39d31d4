// A large organization is read from the moment that its snapshot is held, before the run has asked for its first batch.
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { BackupError } from "../../src/domain/errors.ts";
import type { SnapshotReader, SourceDatabase } from "../../src/ports/source-database.ts";
import { samplePresets } from "../../src/samples/sample-size.ts";
import { activityPoints } from "../support/activity-points.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Some 30 MB of rows. */
const bigFactor = 24;

let rig: BackupRig;
let organizationId: string;

beforeEach(async () => {
  rig = await createBackupRig({ size: { ...samplePresets.bench, organizations: 1, bigFactor } });
  [organizationId = ""] = rig.organizationIds;
});

afterEach(() => rig.close());

function readingThrough(copyRows: (reader: SnapshotReader) => SnapshotReader["copyRows"]): SourceDatabase {
  return {
    ...rig.source,
    importSnapshot: async (reference) => {
      const reader = await rig.source.importSnapshot(reference);
      return {
        copyRows: copyRows(reader),
        query: (sql, parameters) => reader.query(sql, parameters),
        assertIntact: () => reader.assertIntact(),
        close: () => reader.close(),
      };
    },
  };
}

test("rows are read while the run has not asked for them", async () => {
  let chunks = 0;
  const source = readingThrough(
    (reader) =>
      async function* (sql, id) {
        for await (const chunk of reader.copyRows(sql, id)) {
          chunks += 1;
          yield chunk;
        }
      },
  );
  // Two batches are asked for at a time, and either may come first.
  const pauses = [1, 2].map(() => ({ organizationId, activity: "collectBatch", when: "before" }) as const);
  let isReadAhead = false;
  const released = async (): Promise<void> => {
    await waitUntil("rows were read", () => chunks > 20);
    isReadAhead = true; // a wait that is given up fails the activity alone, and the run asks again
  };
  await rig.startWorker({ source, activityInterceptors: [activityPoints({ pauses, released })] });
  const outcome = await rig.backUp(organizationId, { proof: "consistency" });
  expect(outcome).toMatchObject({ status: "completed", restarts: 0 });
  expect(isReadAhead).toBe(true);
});

test("a read ahead that fails is done again when the run asks, and nothing is missing or twice", async () => {
  let failures = 0;
  const source = readingThrough(
    (reader) =>
      async function* (sql, id) {
        let chunks = 0;
        for await (const chunk of reader.copyRows(sql, id)) {
          yield chunk;
          if ((chunks += 1) < 20 || failures > 0) continue;
          failures += 1;
          throw new BackupError("SourceUnreachable", "planned fault");
        }
      },
  );
  await rig.startWorker({ source });
  const outcome = await rig.backUp(organizationId, { proof: "consistency" });
  expect(failures).toBe(1);
  expect(outcome).toMatchObject({ status: "completed", restarts: 0 });
  const latest = await (await rig.repository.openVault(organizationId)).latestManifest();
  const guests = latest?.manifest.tables.find(({ table }) => table === "public.guests");
  const { weddingsPerOrganization, guestsPerWedding } = samplePresets.bench;
  expect(guests?.rows).toBe(weddingsPerOrganization * bigFactor * guestsPerWedding);
});
