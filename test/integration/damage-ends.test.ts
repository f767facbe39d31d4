// What a verification found damaged is read and stored anew by the next backup: one broken object must not go on through every
// backup that comes after it.
import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { followVerification, requestVerification } from "../../src/client/start-verification.ts";
import type { VerificationLevel } from "../../src/domain/verify-run.ts";
import { createBackupRig, type BackupRig } from "../support/backup-rig.ts";
import { outcomeOf } from "../support/outcome.ts";

let rig: BackupRig;
let first: string;
let second: string;

beforeAll(async () => {
  rig = await createBackupRig();
  await rig.startWorker();
  [first = "", second = ""] = rig.organizationIds;
});
afterAll(async () => await rig.close());

const proof = "content" as const;
const packFolder = (organizationId: string): string => join(rig.storeDir, "organizations", organizationId, "packs");

async function verifyNewest(organizationId: string, level: VerificationLevel) {
  const asked = { organizationId, choice: { by: "latest" }, level, requestedBy: "test" } as const;
  return await followVerification(rig.client, await requestVerification(rig.client, asked));
}

async function packsOf(organizationId: string, sequence: number): Promise<readonly string[]> {
  const { manifest } = await (await rig.repository.openVault(organizationId)).readManifest(sequence);
  return manifest.packs.map(({ name }) => name);
}

test("bits that flipped in packs fail the proof of one more backup, and of no other", async () => {
  await rig.backUp(first, { proof });
  const damaged = await readdir(packFolder(first));
  for (const name of damaged) {
    const path = join(packFolder(first), name);
    const bytes = await readFile(path);
    const at = Math.floor(bytes.length / 2);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await chmod(path, 0o600);
    await writeFile(path, bytes);
  }
  // It builds on what is stored, and shows by its proof that this is damaged.
  expect(await outcomeOf(() => rig.backUp(first, { proof }))).toBe("BackupUnproven");
  expect(await rig.backUp(first, { proof })).toMatchObject({ status: "completed", sequence: 3 });
  const stored = await packsOf(first, 3);
  const found = await verifyNewest(first, "content");
  expect(found.problemCount).toBe(0);
  // Whatever of the old packs was whole where it was read may stay in use; nothing that was found damaged does.
  const before = await packsOf(first, 2);
  expect(stored.some((name) => !before.includes(name))).toBe(true);
  expect(await rig.backUp(first, { proof })).toMatchObject({ status: "completed", sequence: 4 });
});

test("a pack whose loss a verification found is made up for by the next backup", async () => {
  await rig.backUp(second, { proof });
  const [gone = ""] = await packsOf(second, 1);
  await rm(join(packFolder(second), gone));
  expect((await verifyNewest(second, "integrity")).problemCount).toBeGreaterThan(0);
  expect(await rig.backUp(second, { proof })).toMatchObject({ status: "completed", sequence: 2 });
  expect(await packsOf(second, 2)).not.toContain(gone);
  // Known by now to be whole, it is built on again: nothing is stored a second time.
  const third = await rig.backUp(second, { proof });
  expect(third).toMatchObject({ status: "completed", sequence: 3 });
  expect(await packsOf(second, 3)).toEqual(await packsOf(second, 2));
});

test("a pack that came back is built on again", async () => {
  const [name = ""] = await packsOf(second, 3);
  const path = join(packFolder(second), name);
  const bytes = await readFile(path);
  await rm(path);
  expect((await verifyNewest(second, "content")).problemCount).toBeGreaterThan(0);
  await writeFile(path, bytes);
  expect((await verifyNewest(second, "content")).problemCount).toBe(0);
  await rig.backUp(second, { proof });
  expect(await packsOf(second, 4)).toContain(name);
});
