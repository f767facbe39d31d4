// Letting go of backups on stores of both kinds: what lists, creates and deletes for real.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { createFilesystemStore } from "../../src/adapters/object-store/filesystem.ts";
import { createS3Store } from "../../src/adapters/object-store/s3.ts";
import type { ObjectStore } from "../../src/ports/object-store.ts";
import { planRelease, readStoredState, sweepVault } from "../../src/repository/prune-vault.ts";
import { createOrOpenRepository } from "../../src/repository/repository.ts";
import { verifyContent } from "../../src/repository/verify-content.ts";
import { verifyIntegrity } from "../../src/repository/verify-integrity.ts";
import { outcomeOf } from "../support/outcome.ts";
import { firstOrganization, smallKey, writeBackup } from "../support/small-repository.ts";
import { createTestBucket } from "../support/test-bucket.ts";

async function pruneOn(store: ObjectStore): Promise<void> {
  const vault = await (await createOrOpenRepository(store, smallKey)).openVault(firstOrganization, { create: true });
  for (let number = 1; number <= 5; number++) {
    const rows = Array.from({ length: 20 }, (_, row) => `${row}\t${number * row}\n`).join("");
    const guests = { keyColumnCount: 1, columns: ["id", "note"], rows };
    const organizations = { keyColumnCount: 1, columns: ["id"], rows: "1\n" };
    await writeBackup(
      vault,
      { tables: { "public.organizations": organizations, "public.guests": guests }, files: {} },
      number,
    );
  }
  const release = async (released: readonly number[], nowMs: number): Promise<void> => {
    const { record } = planRelease(await readStoredState(vault), released, { nowMs, fencingToken: 1 });
    if (record !== null) await vault.releases.append(record);
  };
  const sweep = (nowMs: number, graceMs: number) =>
    sweepVault(vault, { nowMs, graceMs, assertMayGoOn: async () => {} });

  // The store has a clock of its own.
  const nowMs = Date.now() + 60_000;
  await release([1, 2, 4], nowMs);
  expect(await sweep(nowMs, 3_600_000)).toMatchObject({ removedManifests: 3, removedPacks: 0 });
  const { quarantinedPacks } = await sweep(nowMs, 3_600_000);
  expect(quarantinedPacks).toBeGreaterThan(0);
  expect(await sweep(nowMs + 3_600_000, 3_600_000)).toMatchObject({ removedPacks: quarantinedPacks, nextDueMs: null });
  await release([3], nowMs);
  await sweep(nowMs, 0);
  const headers = await vault.listManifests();
  expect(headers.map(({ sequence }) => sequence)).toEqual([5]);
  const { manifest } = await vault.readManifest(5);
  expect((await verifyContent(vault, manifest)).problems).toEqual([]);
  const report = await verifyIntegrity(store, firstOrganization, vault.exportVerificationKey());
  expect([report.problems, report.packs]).toEqual([[], manifest.packs.length]);
  expect(await outcomeOf(() => vault.readManifest(3))).toBe("ObjectMissing");
}

test("a folder", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wedsync-backup-prune-"));
  const store = createFilesystemStore({ rootDir: folder });
  try {
    await pruneOn(store);
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("a bucket", async () => {
  const bucket = await createTestBucket();
  const store = await createS3Store({ bucket: bucket.name, region: "us-east-1", ...bucket.access });
  try {
    await pruneOn(store);
  } finally {
    await store.close();
    await bucket.drop();
  }
});
