// Rows that belong to an organization through others can come and go without being touched. Here as many come as go, so that
// neither a transaction id nor a count tells: only the parents do, in each way in which they can.
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createMemoryStore } from "../../src/adapters/object-store/memory.ts";
import { readTableRows } from "../../src/repository/read-table.ts";
import { createOrOpenRepository, type Repository } from "../../src/repository/repository.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { makeStagedBackup } from "../support/staged-backup.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

/** Lines hang on a list by its code, which may pass from one list to another. */
const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE lists (id integer PRIMARY KEY, code text NOT NULL UNIQUE, org_id integer NOT NULL REFERENCES orgs, label text);
  CREATE TABLE lines (id integer PRIMARY KEY, list_code text NOT NULL REFERENCES lists (code) DEFERRABLE INITIALLY DEFERRED);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO lists SELECT n, 'code ' || n, 1 + n % 2, repeat(md5(n::text), 20) FROM generate_series(1, 4000) n;
  INSERT INTO lines SELECT n, 'code ' || n FROM generate_series(1, 40) n`;
const dataSet = (name: string, tables: readonly string[]) => ({ name, title: name, priority: 1, tables });
const catalogue = catalogueOf([], {
  dataSets: [dataSet("lists", ["public.orgs", "public.lists"]), dataSet("lines", ["public.lines"])],
});

let database: TestDatabase;
let repository: Repository;
beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(schemaSql);
  repository = await createOrOpenRepository(createMemoryStore(), "0".repeat(64));
});
afterEach(() => database.drop());

async function backUp(...dataSets: string[]) {
  const which = dataSets.length === 0 ? {} : { dataSets };
  const { manifest } = await makeStagedBackup({
    url: database.url,
    catalogue,
    repository,
    organizationId: "1",
    ...which,
  });
  const stored = async (table: string): Promise<string[]> => {
    const entry = manifest.tables.find((each) => each.table === `public.${table}`);
    if (entry === undefined) return [];
    const chunks: Buffer[] = [];
    for await (const chunk of readTableRows(await repository.openVault("1"), manifest, entry)) chunks.push(chunk);
    return Buffer.concat(chunks).toString().split("\n").slice(0, -1).sort();
  };
  const layers = manifest.tables.find(({ table }) => table === "public.lists")?.layers?.length ?? 0;
  return { lines: await stored("lines"), layers };
}

const liveLines = async (): Promise<string[]> =>
  (
    await database.query<{ line: string }>(
      `SELECT l.id || e'\\t' || list_code AS line FROM lines l JOIN lists ON code = list_code WHERE org_id = 1`,
    )
  )
    .map(({ line }) => line)
    .sort();

test("values that rows hang on pass between lists of two organizations, whose keys stay", async () => {
  const before = await backUp();
  await database.query(
    `UPDATE lists SET code = 'between' WHERE id = 1; UPDATE lists SET code = 'code 1' WHERE id = 2; UPDATE lists SET code = 'code 2' WHERE id = 1`,
  );
  const after = await backUp();
  expect(after.layers).toBe(1); // else the lists were read whole, and would not have told that their keys stayed
  expect(after.lines).not.toEqual(before.lines);
  expect(after.lines).toEqual(await liveLines());
});

const swap = "UPDATE lists SET org_id = 3 - org_id WHERE id IN (3, 4)";

test("lists changed hands before a backup of them alone", async () => {
  const before = await backUp();
  await database.query(swap);
  await backUp("lists");
  const after = await backUp();
  expect(after.lines).not.toEqual(before.lines);
  expect(after.lines).toEqual(await liveLines());
});

test("lists changed hands, and the backup is not of them", async () => {
  const before = await backUp();
  await database.query(swap);
  const after = await backUp("lines");
  expect(after.lines).not.toEqual(before.lines);
  expect(after.lines).toEqual(await liveLines());
});
