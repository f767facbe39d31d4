import { beforeEach, expect, test } from "@jest/globals";
import { chooseBackup } from "../../../activities/restore/choose-backup.ts";
import { createMemoryStore } from "../../../src/adapters/object-store/memory.ts";
import { findBackup } from "../../../src/cli/find-backup.ts";
import { runList } from "../../../src/cli/list.ts";
import type { Session } from "../../../src/cli/session.ts";
import type { BackupChoice } from "../../../src/domain/restore-run.ts";
import { manifestKey } from "../../../src/repository/names.ts";
import type { Repository } from "../../../src/repository/repository.ts";
import type { HeaderMarks } from "../../../src/repository/manifest-object.ts";
import { firstOrganization, makeSmallRepository } from "../../support/small-repository.ts";
import { outcomeOf } from "../../support/outcome.ts";

let store: ReturnType<typeof createMemoryStore>;
let repository: Repository;

/** Backups 1 to 3 are long ago; 4 is Monday's, 5 was made before a restore on Tuesday at noon. */
beforeEach(async () => {
  store = createMemoryStore();
  ({ repository } = await makeSmallRepository(store));
  await addBackup(4, "2026-06-01T02:00:00Z");
  await addBackup(5, "2026-06-02T12:00:00Z", { beforeRestore: true });
});

/** Sealed five minutes after the moment that it shows. */
async function addBackup(sequence: number, takenAt: string, marks: HeaderMarks = {}): Promise<void> {
  const vault = await repository.openVault(firstOrganization);
  const { manifest } = await vault.readManifest(3);
  const createdAt = new Date(Date.parse(takenAt) + 5 * 60_000).toISOString();
  const snapshot = { ...manifest.snapshot, takenAt };
  const next = { ...manifest, sequence, backupId: `backup-${sequence}`, createdAt, snapshot };
  await vault.storeManifest(vault.sealManifest(next, marks));
}

const choose = async (choice: BackupChoice): Promise<number> =>
  (await chooseBackup(repository, { organizationId: firstOrganization, choice, mergeBase: null })).sequence;
const at = (moment: string) => choose({ by: "time", at: moment });

const results: { backups: { sequence: number; beforeRestore: boolean }[] }[] = [];
const texts: string[] = [];
const output = {
  json: false,
  result: (value: (typeof results)[number], human: () => string) => void (results.push(value), texts.push(human())),
  say: () => {},
  progress: () => {},
};
const session = () =>
  ({ output, repository: async () => repository, knownControl: async () => null }) as unknown as Session;

test("neither the latest nor a moment means a backup that was made right before a restore", async () => {
  expect(await choose({ by: "latest" })).toBe(4);
  expect(await at("2026-07-01T00:00:00Z")).toBe(4);
  expect(await at("2026-06-02T12:01:00Z")).toBe(4);
  expect((await findBackup(session(), "latest", firstOrganization)).manifest.sequence).toBe(4);
  // By its number or id it can be had.
  expect(await choose({ by: "sequence", sequence: 5 })).toBe(5);
  expect(await choose({ by: "id", backupId: "backup-5" })).toBe(5);
  await addBackup(6, "2026-06-03T02:00:00Z");
  expect(await choose({ by: "latest" })).toBe(6);
});

test("a moment means the newest backup that shows it or earlier, also one that was sealed after it", async () => {
  expect(await at("2026-06-01T01:59:59Z")).toBe(3);
  expect(await at("2026-06-01T02:00:00Z")).toBe(4);
  expect(await at("2026-06-01T02:00:00.000001Z")).toBe(4);
  expect(await outcomeOf(() => at("1990-01-01T00:00:00Z"))).toBe("BackupNotFound");
});

test("where all that is left was made before restores, it has to be named", async () => {
  for (const sequence of [1, 2, 3, 4]) store.objects.delete(manifestKey(firstOrganization, sequence));
  expect(await outcomeOf(() => choose({ by: "latest" }))).toBe("BackupNotFound");
  expect(await outcomeOf(() => findBackup(session(), "latest", firstOrganization))).toBe("BackupNotFound");
  expect(await choose({ by: "sequence", sequence: 5 })).toBe(5);
});

test("a damaged manifest stands in the way only where it could be the one that is meant", async () => {
  const damage = (sequence: number): void =>
    void store.objects.set(manifestKey(firstOrganization, sequence), Buffer.from("not a manifest"));
  damage(2);
  expect(await choose({ by: "latest" })).toBe(4);
  expect(await choose({ by: "sequence", sequence: 1 })).toBe(1);
  expect(await outcomeOf(() => choose({ by: "sequence", sequence: 2 }))).toBe("ObjectCorrupt");
  damage(5);
  expect(await choose({ by: "id", backupId: "backup-4" })).toBe(4);
  expect(await outcomeOf(() => choose({ by: "latest" }))).toBe("ObjectCorrupt");
});

test("list marks it", async () => {
  await runList(session(), { organization: firstOrganization });
  expect(results.at(-1)?.backups.map((each) => each.beforeRestore)).toEqual([false, false, false, false, true]);
  expect(texts.at(-1)).toContain("complete, before a restore");
});
