// Recovering: with the bucket and the key alone, an organization comes back into an empty database or a folder, the same to
// the byte, or not at all.
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createFolderMediaSource } from "../../src/adapters/media-source/folder.ts";
import { loadCatalogue } from "../../src/config/load-catalogue.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import { recoverToDatabase } from "../../src/recover/recover-to-database.ts";
import { recoverToFolder } from "../../src/recover/recover-to-folder.ts";
import { createHostileSchema, hostileCatalogue, hostileOrganizationId } from "../support/hostile-schema.ts";
import { outcomeOf } from "../support/outcome.ts";
import {
  backUpOrganization,
  checksumOf,
  copyLive,
  copyRecovered,
  sortLines,
  type RecoverableBackup,
} from "../support/recover-fixture.ts";
import { createWeddings } from "../support/sample-weddings.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const databases: TestDatabase[] = [];
let folder: string;
let weddings: RecoverableBackup & { url: string; catalogue: Catalogue };
let hostile: RecoverableBackup & { url: string; catalogue: Catalogue };

async function newDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  databases.push(database);
  return database;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "recover-"));
  const media = join(folder, "live-media");
  const { database, organizationIds } = await createWeddings({
    seed: 11,
    mediaDir: media,
    database: await newDatabase(),
  });
  const weddingInput = {
    url: database.url,
    catalogue: await loadCatalogue(null),
    organizationId: organizationIds[1] as string,
    media: createFolderMediaSource(media),
  };
  weddings = { ...weddingInput, ...(await backUpOrganization(weddingInput)) };

  const odd = await newDatabase();
  await createHostileSchema(odd.url);
  const oddInput = { url: odd.url, catalogue: hostileCatalogue, organizationId: hostileOrganizationId };
  hostile = { ...oddInput, ...(await backUpOrganization(oddInput)) };
});

afterAll(async () => {
  for (const database of databases) await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Whatever the order of the rows: the lines of the source, and the manifest's checksum. */
async function expectSame({ url, catalogue, vault, manifest }: typeof weddings, recoveredUrl: string): Promise<void> {
  const live = await copyLive(url, catalogue, manifest);
  const recovered = await copyRecovered(recoveredUrl, manifest);
  for (const { table, keyColumnCount, checksum } of manifest.tables) {
    const copy = recovered.get(table) as Buffer;
    expect([table, sortLines(copy)]).toEqual([table, sortLines(live.get(table) as Buffer)]);
    expect([table, checksumOf(vault, keyColumnCount, copy)]).toEqual([table, checksum]);
  }
}

async function expectValidKeys(database: TestDatabase): Promise<number> {
  const keys = await database.query<{ key: string; valid: boolean }>(
    "SELECT conrelid::regclass || '.' || conname AS key, convalidated AS valid FROM pg_constraint WHERE contype = 'f'",
  );
  expect(keys.filter(({ valid }) => !valid)).toEqual([]);
  return keys.length;
}

const subjects = [
  ["sample weddings", () => weddings],
  ["the hostile schema", () => hostile],
] as const;

describe.each(subjects)("a backup of %s", (name, subject) => {
  test("comes back into an empty database, byte for byte, with its foreign keys", async () => {
    const { vault, manifest } = subject();
    const target = await newDatabase();
    const { rows, leftOut } = await recoverToDatabase({ vault, manifest, databaseUrl: target.url });
    expect(rows).toBe(manifest.tables.reduce((sum, table) => sum + table.rows, 0));
    expect(leftOut.filter((note) => /SQLSTATE/.test(note))).toEqual([]);
    await expectSame(subject(), target.url);
    const made = new Set(manifest.tables.map(({ table }) => table));
    const expected = manifest.schema.tables
      .filter((table) => made.has(table.name))
      .flatMap((table) => table.foreignKeys)
      .filter((key) => made.has(key.referencedTable)).length;
    expect(await expectValidKeys(target)).toBeGreaterThanOrEqual(expected);
  });

  test("comes back into a folder whose load.sql psql loads", async () => {
    const { vault, manifest } = subject();
    const targetDir = join(folder, `recovered ${name}`);
    const recovery = await recoverToFolder({ vault, manifest, targetDir });
    expect(recovery.files).toBe(manifest.media.files.length);
    const receipt = JSON.parse(await readFile(join(targetDir, "recovered.json"), "utf8"));
    for (const { table, file } of receipt.tables as { table: string; file: string }[]) {
      const entry = manifest.tables.find((each) => each.table === table);
      const copy = await readFile(join(targetDir, file));
      expect([table, checksumOf(vault, entry?.keyColumnCount ?? 0, copy)]).toEqual([table, entry?.checksum]);
    }
    for (const { path, file } of receipt.files as { path: string; file: string }[])
      expect(await readFile(join(targetDir, file))).toEqual(await readFile(join(folder, "live-media", path)));

    if (spawnSync("psql", ["--version"]).error !== undefined) {
      console.warn("load.sql was not run: there is no psql on this machine.");
      return;
    }
    for (const script of ["schema.sql", "load.sql"]) {
      const target = await newDatabase();
      const ran = spawnSync("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", target.url, "-f", script], {
        cwd: targetDir,
        encoding: "utf8",
      });
      expect([script, ran.stderr, ran.status]).toEqual([script, "", 0]);
      if (script === "load.sql") await expectSame(subject(), target.url);
      await expectValidKeys(target);
    }
  });
});

test("the hostile schema's sequences go on where they were, and its generated and omitted columns are as at home", async () => {
  const target = await newDatabase();
  await recoverToDatabase({ ...hostile, databaseUrl: target.url });
  const nextOf = async (database: TestDatabase, sequence: string) =>
    (await database.query<{ next: string }>("SELECT nextval($1::regclass) AS next", [sequence]))[0]?.next;
  const source = databases.find(({ url }) => url === hostile.url) as TestDatabase;
  for (const sequence of ['"Other ""Schema""".odd', 'public."Loose $1"', "public.events_n_seq"])
    expect([sequence, await nextOf(target, sequence)]).toEqual([sequence, await nextOf(source, sequence)]);
  const places = String.raw`"Other ""Schema"""."Pl.aces/..\$1"`;
  expect(await target.query(`SELECT 1 FROM ${places} WHERE doubled IS DISTINCT FROM size * 4`)).toEqual([]);
  expect(await target.query("SELECT 1 FROM tree WHERE secret IS NOT NULL")).toEqual([]);
});

describe("recovering is refused, by name and with nothing left", () => {
  const tablesOf = (database: TestDatabase) =>
    database.query("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace");

  test.each([
    ["a table", "CREATE TABLE there (id int)"],
    ["a view", "CREATE VIEW there AS SELECT 1 AS one"],
    ["a sequence", "CREATE SEQUENCE there"],
    ["an enum", "CREATE TYPE there AS ENUM ('a')"],
    ["a domain in another schema", "CREATE SCHEMA s; CREATE DOMAIN s.there AS text"],
  ])("a database that has %s", async (_, sql) => {
    const target = await newDatabase();
    await target.query(sql);
    const before = await tablesOf(target);
    const run = () => recoverToDatabase({ ...weddings, databaseUrl: target.url });
    expect(await outcomeOf(run)).toBe("RecoverTargetNotEmpty");
    expect(await tablesOf(target)).toEqual(before);
  });

  test("a folder that has a file, which stays", async () => {
    const targetDir = await mkdtemp(join(folder, "full-"));
    await writeFile(join(targetDir, "mine"), "kept");
    expect(await outcomeOf(() => recoverToFolder({ ...weddings, targetDir }))).toBe("RecoverTargetNotEmpty");
    expect(await readdir(targetDir)).toEqual(["mine"]);
  });

  test("a login that the server refuses, without its password in the error", async () => {
    const target = await newDatabase();
    const wrong = new URL(target.url);
    wrong.username = "nobody_of_this_name";
    wrong.password = "wrong-secret";
    const failure = await recoverToDatabase({ ...weddings, databaseUrl: wrong.href }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "RecoverTargetRefused" });
    expect(JSON.stringify(failure) + String(failure)).not.toContain("wrong-secret");
    wrong.pathname = "/no_such_database";
    wrong.username = new URL(target.url).username;
    wrong.password = new URL(target.url).password;
    expect(await outcomeOf(() => recoverToDatabase({ ...weddings, databaseUrl: wrong.href }))).toBe(
      "RecoverTargetRefused",
    );
  });

  test("a server that does not answer", async () => {
    const nowhere = "postgres://postgres@127.0.0.1:1/none";
    expect(await outcomeOf(() => recoverToDatabase({ ...weddings, databaseUrl: nowhere }))).toBe(
      "RecoverTargetUnreachable",
    );
  });

  test("a role that may only read", async () => {
    const target = await newDatabase();
    const role = `${target.name}_reader`;
    await target.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; REVOKE ALL ON SCHEMA public FROM PUBLIC`);
    const reader = new URL(target.url);
    reader.username = role;
    reader.password = "x";
    try {
      expect(await outcomeOf(() => recoverToDatabase({ ...weddings, databaseUrl: reader.href }))).toBe(
        "RecoverTargetRefused",
      );
      expect(await tablesOf(target)).toEqual([]);
    } finally {
      await target.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  test.each(["lost", "cut short", "flipped"])("a pack is %s", async (damage) => {
    const { store, vault, manifest } = weddings;
    const [key, bytes] = [...store.objects].find(([each]) => each.includes("/packs/")) as [string, Buffer];
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 1, flipped.length >> 1);
    if (damage === "lost") store.objects.delete(key);
    else store.objects.set(key, damage === "flipped" ? flipped : bytes.subarray(0, bytes.length >> 1));
    const target = await newDatabase();
    const targetDir = join(folder, `damaged ${damage}`);
    try {
      const code = damage === "lost" ? "ObjectMissing" : "ObjectCorrupt";
      expect(await outcomeOf(() => recoverToDatabase({ vault, manifest, databaseUrl: target.url }))).toBe(code);
      expect(await tablesOf(target)).toEqual([]);
      expect(await outcomeOf(() => recoverToFolder({ vault, manifest, targetDir }))).toBe(code);
      // Only what names itself incomplete is there; the folder's own name was never given.
      expect((await readdir(folder)).filter((each) => each.startsWith(`damaged ${damage}`))).toEqual([
        `damaged ${damage}.partial`,
      ]);
      expect(await readdir(`${targetDir}.partial`)).toContain("INCOMPLETE.txt");
    } finally {
      store.objects.set(key, bytes);
    }
    // The next try takes the rest away and ends well.
    expect(await outcomeOf(() => recoverToFolder({ vault, manifest, targetDir }))).toBe("done");
    expect((await readdir(folder)).filter((each) => each.startsWith(`damaged ${damage}`))).toEqual([
      `damaged ${damage}`,
    ]);
  });
});
