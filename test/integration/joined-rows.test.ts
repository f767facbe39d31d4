// Lists get and lose lines, organizations get and lose lists: rows that came with their parent, untouched themselves, are
// seen, and where none did, nothing that is stored is read back. Lines hang on a list, marks on a line, and notes on either.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createMemoryStore } from "../../src/adapters/object-store/memory.ts";
import type { Manifest, TableEntry } from "../../src/repository/manifest.ts";
import { readTableRows } from "../../src/repository/read-table.ts";
import { createOrOpenRepository, type Repository } from "../../src/repository/repository.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { makeStagedBackup } from "../support/staged-backup.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const tables = ["lists", "lines", "marks", "notes"] as const;
type Table = (typeof tables)[number];

/** Each has more than half a megabyte of one organization: of smaller ones, layers are not worth it. */
const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE lists (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, label text);
  CREATE TABLE lines (id integer PRIMARY KEY, list_id integer NOT NULL REFERENCES lists ON DELETE CASCADE, label text);
  CREATE TABLE marks (id integer PRIMARY KEY, line_id integer REFERENCES lines ON DELETE CASCADE, label text);
  CREATE TABLE notes (id integer PRIMARY KEY, about text NOT NULL, about_id integer NOT NULL, label text);
  CREATE INDEX ON lines (list_id);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO lists SELECT n, 1 + n % 2, repeat(md5(n::text), 20) FROM generate_series(1, 2000) n;
  INSERT INTO lines SELECT n, 1 + n % 2000, repeat(md5(n::text), 10) FROM generate_series(1, 4000) n;
  INSERT INTO marks SELECT n, 1 + n % 4000, repeat(md5(n::text), 10) FROM generate_series(1, 4000) n;
  INSERT INTO notes SELECT n, CASE n % 3 WHEN 0 THEN 'list' ELSE 'line' END, 1 + n % 2000, repeat(md5(n::text), 10) FROM generate_series(1, 4000) n`;
const dataSet = (name: string, names: readonly string[]) => ({ name, title: name, priority: 1, tables: names });
const catalogue = catalogueOf([], {
  dataSets: [
    dataSet("lists", ["public.orgs", "public.lists"]),
    dataSet("below", ["public.lines", "public.marks", "public.notes"]),
  ],
  polymorphic: [
    {
      table: "public.notes",
      typeColumn: "about",
      idColumn: "about_id",
      targets: { list: "public.lists", line: "public.lines" },
    },
  ],
});

const liveSql: Record<Table, string> = {
  lists: "SELECT concat_ws(e'\\t', id, org_id, label) AS line FROM lists WHERE org_id = 1",
  lines: `SELECT concat_ws(e'\\t', l.id, list_id, l.label) AS line FROM lines l JOIN lists ON lists.id = list_id WHERE org_id = 1`,
  marks: `SELECT concat_ws(e'\\t', m.id, line_id, m.label) AS line FROM marks m JOIN lines l ON l.id = line_id JOIN lists ON lists.id = list_id WHERE org_id = 1`,
  notes: `SELECT concat_ws(e'\\t', n.id, about, about_id, n.label) AS line FROM notes n
    WHERE (about = 'list' AND about_id IN (SELECT id FROM lists WHERE org_id = 1))
       OR (about = 'line' AND about_id IN (SELECT l.id FROM lines l JOIN lists ON lists.id = list_id WHERE org_id = 1))`,
};

let database: TestDatabase;
let repository: Repository;
let reads: string[];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(() => startAnew());
afterEach(() => database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public"));

async function startAnew(): Promise<void> {
  await database.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  await database.query(schemaSql);
  const store = createMemoryStore();
  reads = [];
  const watched = {
    ...store,
    read: (...asked: Parameters<typeof store.read>) => (reads.push(asked[0]), store.read(...asked)),
  };
  repository = await createOrOpenRepository(watched, "0".repeat(64));
}

const entryOf = (manifest: Manifest, table: Table): TableEntry =>
  manifest.tables.find((each) => each.table === `public.${table}`) as TableEntry;
const layersOf = (manifest: Manifest, table: Table): number => entryOf(manifest, table).layers?.length ?? 0;

/** Every table's rows are the ones of the database; `packsRead`: by the backup itself. */
async function backUp(...dataSets: string[]): Promise<{ manifest: Manifest; packsRead: number }> {
  reads = [];
  const order = { url: database.url, catalogue, repository, organizationId: "1" };
  const { manifest } = await makeStagedBackup(dataSets.length === 0 ? order : { ...order, dataSets });
  const packsRead = reads.filter((key) => key.includes("/packs/")).length;
  const vault = await repository.openVault("1");
  for (const table of tables) {
    if (entryOf(manifest, table) === undefined) continue;
    const chunks: Buffer[] = [];
    for await (const chunk of readTableRows(vault, manifest, entryOf(manifest, table))) chunks.push(Buffer.from(chunk));
    const stored = Buffer.concat(chunks).toString().split("\n").slice(0, -1).sort();
    const live = await database.query<{ line: string }>(liveSql[table]);
    expect(stored).toEqual(live.map(({ line }) => line).sort());
  }
  return { manifest, packsRead };
}

test("lists that are new, with lines of their own: nothing that is stored is read back", async () => {
  // What notes are about is told by a column, and is looked up in the store.
  await database.query("DELETE FROM notes");
  await backUp();
  await database.query(`
    INSERT INTO lists SELECT 10000 + n, 1, 'new' FROM generate_series(1, 20) n;
    INSERT INTO lines SELECT 10000 + n, 10000 + n, 'new' FROM generate_series(1, 20) n`);
  const { manifest, packsRead } = await backUp();
  expect(packsRead).toBe(0);
  expect(tables.map((table) => layersOf(manifest, table))).toEqual([1, 1, 0, 0]);
});

test("lists and lines that only changed: what hangs on them is not read back", async () => {
  await backUp();
  await database.query(
    "UPDATE lists SET label = 'x' || label WHERE id % 50 IN (1, 2); UPDATE lines SET label = 'x' || label WHERE id % 50 IN (1, 2)",
  );
  const before = await backUp();
  expect(tables.map((table) => layersOf(before.manifest, table))).toEqual([1, 1, 0, 0]);
  expect(["marks", "notes"].map((table) => entryOf(before.manifest, table as Table).backupsSinceRead)).toEqual([1, 1]);
});

const cases: Record<string, string> = {
  "a list comes with its lines": "UPDATE lists SET org_id = 1 WHERE id = (SELECT min(id) FROM lists WHERE org_id = 2)",
  "a list comes, and as many lines go": `
    UPDATE lists SET org_id = 1 WHERE id = (SELECT min(id) FROM lists WHERE org_id = 2);
    DELETE FROM lines WHERE id IN (SELECT l.id FROM lines l JOIN lists ON lists.id = list_id WHERE org_id = 1 AND list_id > 10 ORDER BY l.id LIMIT 2)`,
  "one comes and one goes": `
    UPDATE lists SET org_id = 3 - org_id WHERE id IN (SELECT min(id) FROM lists GROUP BY org_id)`,
};
test.each(Object.entries(cases))("%s", async (_, sql) => {
  await backUp();
  await database.query(sql);
  const { manifest } = await backUp();
  expect(layersOf(manifest, "lists")).toBeLessThanOrEqual(1);
});

test("a list came before a backup of lists alone, and as many lines went", async () => {
  await backUp();
  await database.query(cases["a list comes, and as many lines go"] ?? "");
  await backUp("lists");
  const { manifest } = await backUp();
  expect(manifest.tables).toHaveLength(5);
});

/** What can happen between two backups; $1 = a number. */
const happenings = [
  "INSERT INTO lists SELECT 100000 * $1 + n, 1, 'new' FROM generate_series(1, 5) n ON CONFLICT DO NOTHING",
  "INSERT INTO lines SELECT 100000 * $1 + n, (SELECT max(id) FROM lists WHERE org_id = 1), 'new' FROM generate_series(1, 5) n ON CONFLICT DO NOTHING",
  "INSERT INTO marks SELECT 100000 * $1 + n, (SELECT max(id) FROM lines), 'new' FROM generate_series(1, 5) n ON CONFLICT DO NOTHING",
  "INSERT INTO notes SELECT 100000 * $1 + n, 'line', (SELECT max(id) FROM lines), 'new' FROM generate_series(1, 5) n ON CONFLICT DO NOTHING",
  "UPDATE lists SET org_id = 3 - org_id WHERE id = $1",
  "UPDATE lists SET org_id = 1 WHERE id = 1 + $1 AND org_id = 2",
  "UPDATE lists SET org_id = 3 - org_id WHERE id IN ($1, $1 + 1)",
  "UPDATE lists SET label = label || 'x' WHERE id % 50 = $1 % 50",
  "UPDATE lines SET label = label || 'x' WHERE id % 50 = $1 % 50",
  "UPDATE lines SET list_id = 1 + (list_id + $1) % 2000 WHERE id = $1",
  "UPDATE marks SET line_id = NULL WHERE id = $1",
  "UPDATE notes SET about = 'list' WHERE id = $1",
  "DELETE FROM lists WHERE id = $1",
  "DELETE FROM lines WHERE id = $1 OR id = $1 + 1",
] as const;

test("whatever happens in between, each backup holds exactly the rows of its moment", async () => {
  let layered = 0;
  let unread = 0;
  const happening = fc.tuple(fc.constantFrom(...happenings), fc.integer({ min: 1, max: 60 }));
  const nights = fc.array(fc.array(happening, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(nights, async (drawn) => {
      await startAnew();
      await backUp();
      for (const night of drawn) {
        for (const [sql, n] of night) await database.query(sql.replaceAll("$1", String(n)));
        const { manifest, packsRead } = await backUp();
        for (const table of tables) layered += layersOf(manifest, table);
        unread += Number(packsRead === 0);
      }
    }),
    { numRuns: 15, seed: 20261128, endOnFailure: true },
  );
  expect(layered).toBeGreaterThan(20);
  expect(unread).toBeGreaterThan(3);
});
