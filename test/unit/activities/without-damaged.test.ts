import { beforeEach, expect, test } from "@jest/globals";
import { withoutDamaged } from "../../../activities/without-damaged.ts";
import { createMemoryStore } from "../../../src/adapters/object-store/memory.ts";
import { tableSegments } from "../../../src/repository/manifest.ts";
import { packKey } from "../../../src/repository/names.ts";
import type { ReadManifest } from "../../../src/repository/stored-manifests.ts";
import { firstOrganization, makeSmallRepository } from "../../support/small-repository.ts";

let newest: ReadManifest;
let older: ReadManifest;

beforeEach(async () => {
  const { repository } = await makeSmallRepository(createMemoryStore());
  const vault = await repository.openVault(firstOrganization);
  [newest, older] = [await vault.readManifest(3), await vault.readManifest(2)];
});

const tablesOf = ({ manifest }: ReadManifest) => manifest.tables.map(({ table }) => table);
const found = (keys: readonly string[]) => new Map([[newest.manifest.backupId, keys]]);

test("without damage everything is built on", () => {
  expect(withoutDamaged([newest, older], new Map())).toEqual([newest, older]);
  expect(withoutDamaged([newest], new Map([["another backup", ["public.guests"]]]))).toEqual([newest]);
});

test("a table that was found damaged counts as unknown, in an older base, too", () => {
  const [table = ""] = tablesOf(newest);
  const bases = withoutDamaged([newest, older], found([table]));
  for (const [index, base] of bases.entries()) {
    const all = tablesOf([newest, older][index] as ReadManifest);
    expect(tablesOf(base)).toEqual(all.filter((each) => each !== table));
  }
  expect(bases.map(({ hash, manifest }) => [hash, manifest.sequence])).toEqual([
    [newest.hash, 3],
    [older.hash, 2],
  ]);
});

test("what lies in an object that was found damaged counts as unknown", () => {
  const { manifest } = newest;
  const place = tableSegments(manifest.tables[0] as (typeof manifest.tables)[number])[0]?.pack ?? -1;
  const key = packKey(firstOrganization, manifest.packs[place]?.name ?? "");
  const [base] = withoutDamaged([newest], found([key])) as [ReadManifest];
  const uses = (pack: number): boolean => pack === place;
  expect(tablesOf(base)).toEqual(
    manifest.tables.filter((entry) => !tableSegments(entry).some(({ pack }) => uses(pack))).map(({ table }) => table),
  );
  expect(base.manifest.media.files).toEqual(
    manifest.media.files.filter(({ parts }) => !parts.some(({ pack }) => uses(pack))),
  );
});

test("a file is told by its place", () => {
  const { files } = newest.manifest.media;
  expect(files.length).toBeGreaterThan(0);
  const [base] = withoutDamaged([newest], found([`file 1 of ${files.length}`])) as [ReadManifest];
  expect(base.manifest.media.files).toEqual(files.slice(1));
  expect(tablesOf(base)).toEqual(tablesOf(newest));
});

test("with as many problems as are written down, nothing is trusted: there may be more", () => {
  const keys = Array.from({ length: 20 }, (_, index) => `file ${index + 1} of 99`);
  const [base] = withoutDamaged([newest], found(keys)) as [ReadManifest];
  expect([tablesOf(base), base.manifest.media.files]).toEqual([[], []]);
});
