// One object of a backup is broken or gone: everything else comes back, what does not is counted and named, and nobody is
// told that a folder is whole which isn't.
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createMemoryStore } from "../../../src/adapters/object-store/memory.ts";
import type { ObjectStore } from "../../../src/ports/object-store.ts";
import { recoverToFolder } from "../../../src/recover/recover-to-folder.ts";
import {
  tableSegments,
  type Manifest,
  type SegmentReference,
  type TableEntry,
} from "../../../src/repository/manifest.ts";
import { packKey } from "../../../src/repository/names.ts";
import type { OrganizationVault } from "../../../src/repository/vault.ts";
import { outcomeOf } from "../../support/outcome.ts";
import { firstOrganization, makeSmallRepository, writeBackup } from "../../support/small-repository.ts";

let folder: string;
let store: ObjectStore;
let vault: OrganizationVault;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wedsync-backup-salvage-"));
  store = createMemoryStore();
  const { repository } = await makeSmallRepository(store);
  vault = await repository.openVault(firstOrganization);
});
afterEach(() => rm(folder, { recursive: true }));

const readManifest = async (sequence: number): Promise<Manifest> => (await vault.readManifest(sequence)).manifest;
const keyOf = (manifest: Manifest, { pack }: SegmentReference): string =>
  packKey(firstOrganization, manifest.packs[pack]?.name ?? "");

async function breakSegment(manifest: Manifest, reference: SegmentReference | undefined): Promise<void> {
  if (reference === undefined) throw new Error("there is no such segment");
  const key = keyOf(manifest, reference);
  const bytes = Buffer.from(await store.read(key));
  const at = reference.offset + 40;
  bytes[at] = (bytes[at] as number) ^ 1;
  await store.delete([key]);
  await store.create(key, bytes);
}

const salvage = (manifest: Manifest) =>
  recoverToFolder({ vault, manifest, targetDir: join(folder, "out"), salvage: true });
const table = (manifest: Manifest, name: string) => manifest.tables.find((each) => each.table === name);

test("of a backup that is whole nothing is lost, and nothing says so", async () => {
  const recovery = await salvage(await readManifest(3));
  expect(recovery.lost).toEqual([]);
  await expect(stat(join(folder, "out", "LOST.txt"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("one broken segment: its rows are counted, all others are there, and so is every other table and file", async () => {
  const manifest = await readManifest(2);
  const guests = table(manifest, "public.guests");
  const broken = guests?.segments[1];
  await breakSegment(manifest, broken);
  // Cuts are by a random key: now and then the row that backup 1 lacks lies in this very segment, and backup 1 has its own.
  const others = [await readManifest(3), await readManifest(1)];
  const uses = (other: Manifest) => tableSegments(table(other, "public.guests") as TableEntry);
  const holder = others.find((other) => !uses(other).some(({ id }) => id === broken?.id));
  const heldBy = holder === undefined ? null : { sequence: holder.sequence, takenAt: holder.snapshot.takenAt };
  const plainly = () => recoverToFolder({ vault, manifest, targetDir: join(folder, "plain") });
  expect(await outcomeOf(plainly)).toBe("ObjectCorrupt");
  const recovery = await salvage(manifest);
  expect(recovery.lost).toEqual([
    {
      kind: "table",
      name: "public.guests",
      rows: broken?.rows,
      ofRows: 19,
      segments: 1,
      ofSegments: guests?.segments.length,
      code: "ObjectCorrupt",
      heldBy,
    },
  ]);
  expect(recovery.rows).toBe(manifest.tables.reduce((sum, each) => sum + each.rows, 0) - (broken?.rows ?? 0));
  const rows = await readFile(join(folder, "out", "tables", "public.guests.copy"), "utf8");
  expect(rows.split("\n").length - 1).toBe(19 - (broken?.rows ?? 0));
  expect(recovery.files).toBe(1);
  const receipt = JSON.parse(await readFile(join(folder, "out", "recovered.json"), "utf8")) as {
    lost: object[];
    tables: { table: string; rows: number; checksum: string | null }[];
  };
  expect(receipt.lost).toHaveLength(1);
  expect(receipt.tables.find((each) => each.table === "public.guests")).toMatchObject({ checksum: null });
  expect(await readFile(join(folder, "out", "LOST.txt"), "utf8")).toContain(
    `LOST: ${broken?.rows} of 19 rows of public.guests (1 of ${guests?.segments.length} segments, ObjectCorrupt); ${heldBy === null ? "no other backup has it whole" : "backup 1 has it whole, as of 2026-01-02 03:04:05 UTC"}`,
  );
});

test("a layer that can't be read: the table is lost, for rows below it may be old ones", async () => {
  const manifest = await readManifest(3);
  const guests = table(manifest, "public.guests");
  await breakSegment(manifest, guests?.layers?.[0]?.removed[0]);
  const { lost } = await salvage(manifest);
  expect(lost).toMatchObject([
    { name: "public.guests", rows: guests?.rows, ofRows: guests?.rows, heldBy: { sequence: 2 } },
  ]);
  expect(await readFile(join(folder, "out", "tables", "public.guests.copy"), "utf8")).toBe("");
});

test("a base segment of a layered table: exactly the rows that nothing above stands for are lost", async () => {
  const manifest = await readManifest(3);
  const guests = table(manifest, "public.guests");
  await breakSegment(manifest, guests?.segments[0]);
  const [loss] = (await salvage(manifest)).lost;
  const rows = await readFile(join(folder, "out", "tables", "public.guests.copy"), "utf8");
  expect(rows.split("\n").length - 1 + (loss?.rows ?? 0)).toBe(guests?.rows);
  expect(rows).toContain("changed\t");
});

test("a missing pack: what lay in it is named, with the newest other backup that has all of it", async () => {
  const content = { tables: {}, files: { "photos/b.jpg": Buffer.from("b") } };
  const before = await writeBackup(vault, content, 7);
  const later = await writeBackup(vault, { ...content, files: { "photos/b.jpg": Buffer.from("another b") } }, 8);
  const [file] = later.media.files;
  await store.delete([keyOf(later, file?.parts[0] as SegmentReference)]);
  const { lost, files } = await salvage(later);
  expect([files, lost]).toMatchObject([
    0,
    [{ kind: "file", name: "photos/b.jpg", code: "ObjectMissing", heldBy: { sequence: before.sequence } }],
  ]);
  await expect(stat(join(folder, "out", "media", "photos", "b.jpg"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("any one broken segment of any backup: whatever is not named as lost came back as it was", async () => {
  for (const sequence of [1, 2, 3]) {
    const manifest = await readManifest(sequence);
    const whole = join(folder, `whole-${sequence}`);
    await recoverToFolder({ vault, manifest, targetDir: whole });
    const all = [...manifest.tables.flatMap(tableSegments), ...manifest.media.files.flatMap(({ parts }) => parts)];
    for (const reference of all) {
      const key = keyOf(manifest, reference);
      const kept = Buffer.from(await store.read(key));
      await breakSegment(manifest, reference);
      const { lost } = await salvage(manifest);
      expect(lost.length).toBeGreaterThan(0);
      for (const { table: name } of manifest.tables) {
        const path = join("tables", `${name}.copy`);
        if (lost.some((each) => each.name === name)) continue;
        const file = (root: string) => readFile(join(root, path)).catch(() => null);
        expect(await file(join(folder, "out"))).toEqual(await file(whole));
      }
      await rm(join(folder, "out"), { recursive: true });
      await store.delete([key]);
      await store.create(key, kept);
    }
  }
});
