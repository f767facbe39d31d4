// Row layers: whatever happens to a table between backups, each backup holds exactly the rows of its moment, and stores
// about as much as changed. Checked against the database itself, on random histories.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { Client } from "pg";
import { createMemoryStore } from "../../src/adapters/object-store/memory.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import { BackupError } from "../../src/domain/errors.ts";
import type { SnapshotReader, SourceDatabase } from "../../src/ports/source-database.ts";
import type { Manifest, TableEntry } from "../../src/repository/manifest.ts";
import { readTableRows } from "../../src/repository/read-table.ts";
import { createOrOpenRepository, type Repository } from "../../src/repository/repository.ts";
import { makeStagedBackup } from "../support/staged-backup.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const catalogue: Catalogue = {
  version: 1,
  name: "layers",
  schemas: ["public"],
  root: { table: "public.tenants", key: "id" },
  dataSets: [
    {
      name: "all",
      title: "All",
      priority: 1,
      tables: ["public.tenants", "public.lists", "public.items", "public.lines"],
    },
  ],
  organizationColumns: {},
  polymorphic: [],
  media: [],
  references: [],
  exclusions: [],
  omittedColumns: [],
};

/** items hang on the tenant, lines on a list that can change hands: rows that come and go without being touched. */
const schema = `
  CREATE TABLE tenants (id int PRIMARY KEY);
  CREATE TABLE lists (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants);
  CREATE TABLE items (part int, id int, tenant_id int NOT NULL REFERENCES tenants, label text, PRIMARY KEY (part, id));
  CREATE TABLE lines (id text PRIMARY KEY, list_id int NOT NULL REFERENCES lists, label text);
  INSERT INTO tenants VALUES (1), (2);
  INSERT INTO lists SELECT n, 1 + n % 2 FROM generate_series(1, 20) n;
  INSERT INTO items SELECT n % 7, n, 1 + n % 2, repeat(md5(n::text), 12) FROM generate_series(1, 4000) n;
  INSERT INTO lines SELECT 'line' || chr(9) || n, 1 + n % 20, repeat(md5(n::text), 12) FROM generate_series(1, 4000) n;`;

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new Client({ connectionString: database.url });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

const startAnew = async (): Promise<Repository> => {
  await client.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  await client.query(schema);
  return await createOrOpenRepository(createMemoryStore(), "0".repeat(64));
};

const backUp = (repository: Repository, faults: Pick<Parameters<typeof makeStagedBackup>[0], "faultySource"> = {}) =>
  makeStagedBackup({ url: database.url, catalogue, repository, organizationId: "1", ...faults });

const entryOf = (manifest: Manifest, table: string): TableEntry =>
  manifest.tables.find((each) => each.table === `public.${table}`) as TableEntry;

async function storedRows(repository: Repository, manifest: Manifest, table: string): Promise<string[]> {
  const vault = await repository.openVault("1");
  const chunks: Buffer[] = [];
  for await (const chunk of readTableRows(vault, manifest, entryOf(manifest, table))) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8").split("\n").slice(0, -1).sort();
}

async function liveRows(table: "items" | "lines"): Promise<string[]> {
  const sql =
    table === "items"
      ? `SELECT part || e'\\t' || id || e'\\t' || tenant_id || e'\\t' || label AS line FROM items WHERE tenant_id = 1`
      : `SELECT replace(l.id, e'\\t', '\\t') || e'\\t' || list_id || e'\\t' || label AS line FROM lines l JOIN lists ON lists.id = list_id WHERE tenant_id = 1`;
  return (await client.query<{ line: string }>(sql)).rows.map((row) => row.line).sort();
}

/** What can happen between two backups; n tells which rows. */
const happenings = {
  touchItems: "UPDATE items SET label = label || 'x' WHERE id % 97 = $1 % 97",
  touchOne: "UPDATE lines SET label = 'new' || label WHERE id = 'line' || chr(9) || $1",
  addItems:
    "INSERT INTO items SELECT 9, 10000 + $1 * 50 + n, 1, 'added' FROM generate_series(1, 30) n ON CONFLICT DO NOTHING",
  removeItems: "DELETE FROM items WHERE id % 89 = $1 % 89",
  removeAndAddAsMany:
    "WITH gone AS (DELETE FROM items WHERE tenant_id = 1 AND id % 101 = $1 % 101 RETURNING part, id) INSERT INTO items SELECT part + 100, id, 1, 'again' FROM gone ON CONFLICT DO NOTHING",
  renameKeys: "UPDATE lines SET id = id || '-' || $1 WHERE id LIKE '%' || $1 % 10 || '3'",
  giveItemsAway: "UPDATE items SET tenant_id = 3 - tenant_id WHERE id % 83 = $1 % 83",
  moveList: "UPDATE lists SET tenant_id = 3 - tenant_id WHERE id = 1 + $1 % 20",
  swapLists: "UPDATE lists SET tenant_id = 3 - tenant_id WHERE id IN (1 + $1 % 20, 1 + ($1 + 1) % 20)",
  touchEverything: "UPDATE lines SET label = label || $1",
  rewrite: "ALTER TABLE items ALTER COLUMN label SET STORAGE EXTERNAL",
  nothing: "SELECT 1",
} as const;

const perform = async (name: keyof typeof happenings, n: number): Promise<void> => {
  const sql = happenings[name];
  await client.query(sql.replaceAll("$1", String(n)));
};

describe("row layers", () => {
  test("hold exactly the rows of each backup's moment, whatever happened in between", async () => {
    let layered = 0;
    const happening = fc.tuple(
      fc.constantFrom(...(Object.keys(happenings) as (keyof typeof happenings)[])),
      fc.integer({ min: 1, max: 400 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(happening, { maxLength: 3 }), { minLength: 2, maxLength: 5 }),
        async (nights) => {
          const repository = await startAnew();
          await backUp(repository);
          for (const night of nights) {
            for (const [name, n] of night) await perform(name, n);
            const { manifest } = await backUp(repository);
            for (const table of ["items", "lines"] as const) {
              expect(await storedRows(repository, manifest, table)).toEqual(await liveRows(table));
              layered += entryOf(manifest, table).layers?.length ?? 0;
            }
          }
        },
      ),
      { numRuns: 12, seed: 20261124, endOnFailure: true },
    );
    expect(layered).toBeGreaterThan(10);
  });

  test("scattered changes store about what changed, not the table", async () => {
    const repository = await startAnew();
    const first = await backUp(repository);
    await client.query("UPDATE items SET label = label || 'x' WHERE id % 100 = 2");
    const second = await backUp(repository);
    expect(entryOf(second.manifest, "items").layers).toHaveLength(1);
    expect(second.manifest.features).toEqual(["row-layers"]);
    expect(second.packBytes).toBeLessThan(first.packBytes * 0.05);
    const third = await backUp(repository);
    expect(third.packBytes).toBe(0);
    expect(await storedRows(repository, third.manifest, "items")).toEqual(await liveRows("items"));
  });

  test("where rows were only added, what is stored is not read back", async () => {
    const store = createMemoryStore();
    await startAnew();
    let reads: string[] = [];
    const watched = {
      ...store,
      read: (...asked: Parameters<typeof store.read>) => (reads.push(asked[0]), store.read(...asked)),
    };
    const repository = await createOrOpenRepository(watched, "0".repeat(64));
    await backUp(repository);
    const backUpAfter = async (...happened: [keyof typeof happenings, number][]): Promise<number> => {
      for (const [name, n] of happened) await perform(name, n);
      reads = [];
      const { manifest } = await backUp(repository);
      const packs = reads.filter((key) => key.includes("/packs/")).length;
      expect(await storedRows(repository, manifest, "items")).toEqual(await liveRows("items"));
      return packs;
    };
    expect(await backUpAfter(["addItems", 1])).toBe(0);
    expect(await backUpAfter(["addItems", 2], ["touchItems", 5])).toBeGreaterThan(0);
    expect(await backUpAfter(["addItems", 3], ["removeItems", 5])).toBeGreaterThan(0);
    expect(await backUpAfter(["removeAndAddAsMany", 7])).toBeGreaterThan(0);
  });

  test("a row that comes in through its parent, untouched itself, is not missed", async () => {
    const repository = await startAnew();
    await backUp(repository);
    // One list leaves and one comes: the number of lines stays the same, and no line was touched.
    await client.query("UPDATE lists SET tenant_id = 3 - tenant_id WHERE id IN (3, 4)");
    const { manifest } = await backUp(repository);
    expect(await storedRows(repository, manifest, "lines")).toEqual(await liveRows("lines"));
  });

  test("after eight layers a table is read whole again", async () => {
    const repository = await startAnew();
    await backUp(repository);
    const counts: number[] = [];
    for (let n = 1; n <= 9; n++) {
      await client.query("UPDATE items SET label = label || 'y' WHERE id = $1", [n * 10]);
      counts.push(entryOf((await backUp(repository)).manifest, "items").layers?.length ?? 0);
    }
    expect(counts).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0]);
  });

  test("where the stored rows below are damaged, the table is read whole and stored again", async () => {
    const store = createMemoryStore();
    await startAnew();
    const repository = await createOrOpenRepository(store, "0".repeat(64));
    const { manifest } = await backUp(repository);
    const [pack] = manifest.packs;
    const key = `organizations/${(await firstOrganization(store)) ?? ""}/packs/${pack?.name}`;
    const bytes = await store.read(key);
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
    await store.delete([key]);
    await store.create(key, bytes);
    await client.query("UPDATE items SET label = label || 'z' WHERE id % 100 = 2");
    const again = await backUp(await createOrOpenRepository(store, "0".repeat(64)));
    expect(entryOf(again.manifest, "items").layers).toBeUndefined();
    expect(await storedRows(repository, again.manifest, "items")).toEqual(await liveRows("items"));
  });
});

describe("the second connection, which helps to count in large tables", () => {
  const startLarge = async (): Promise<Repository> => {
    const repository = await startAnew();
    await client.query("UPDATE items SET label = repeat(label, 30)"); // a second connection is worth it from 16 MiB on
    const { manifest } = await backUp(repository);
    expect(manifest.tables.reduce((sum, { rawBytes }) => sum + rawBytes, 0)).toBeGreaterThan(16 * 1024 * 1024);
    return repository;
  };

  test("when its backend is ended, a new snapshot is needed", async () => {
    const repository = await startLarge();
    let ended = 0;
    const endBackend = async (reader: SnapshotReader): Promise<void> => {
      const [row] = await reader.query("SELECT pg_backend_pid()::text AS pid", []);
      await client.query("SELECT pg_terminate_backend($1::int, 10000)", [row?.["pid"]]);
      ended += 1;
    };
    const breaking = (reader: SnapshotReader): SnapshotReader => {
      let breaks: Promise<void> | null = null;
      const broken = async (): Promise<void> => await (breaks ??= endBackend(reader));
      return {
        copyRows: (sql, organizationId) => reader.copyRows(sql, organizationId),
        query: async (sql, parameters) => await broken().then(() => reader.query(sql, parameters)),
        assertIntact: async () => await broken().then(() => reader.assertIntact()),
        close: () => reader.close(),
      };
    };
    const faultySource = onSecondImport(async (importing) => breaking(await importing()));
    await expect(backUp(repository, { faultySource })).rejects.toMatchObject({ code: "SnapshotLost" });
    expect(ended).toBe(1);
  });

  test("when the server has no room for it, the first counts everything", async () => {
    const repository = await startLarge();
    await client.query("UPDATE items SET label = label || 'x' WHERE id % 100 = 2");
    let refused = 0;
    const faultySource = onSecondImport(async () => {
      refused += 1;
      throw new BackupError("SourceUnreachable", "no room");
    });
    const { manifest } = await backUp(repository, { faultySource });
    expect(refused).toBe(1);
    expect(entryOf(manifest, "items").layers).toHaveLength(1);
    expect(await storedRows(repository, manifest, "items")).toEqual(await liveRows("items"));
  });

  const changesLines = (sql: string): boolean => sql.includes('"lines" AS t') && sql.includes("age(");

  /** The first connection reads no table before the second has read the changed lines, or two seconds are over. */
  function watchReaders(whenAhead: () => Promise<void> = async () => {}) {
    const copied: { readonly first: string[]; readonly second: string[] } = { first: [], second: [] };
    const ahead = Promise.withResolvers<void>();
    const late = setTimeout(ahead.resolve, 2_000);
    let imports = 0;
    const faultySource = (source: SourceDatabase): SourceDatabase => ({
      ...source,
      importSnapshot: async (reference) => {
        const reader = await source.importSnapshot(reference);
        const isFirst = (imports += 1) === 1;
        async function* copyRows(sql: string, organizationId: string): AsyncGenerator<Buffer> {
          copied[isFirst ? "first" : "second"].push(sql);
          if (isFirst) await ahead.promise;
          else await whenAhead();
          yield* reader.copyRows(sql, organizationId);
          if (!isFirst && changesLines(sql)) ahead.resolve();
        }
        return {
          copyRows,
          query: (...asked) => reader.query(...asked),
          assertIntact: () => reader.assertIntact(),
          close: () => reader.close(),
        };
      },
    });
    return { copied, faultySource, stop: () => clearTimeout(late) };
  }

  test("then reads changed rows, which nobody reads again", async () => {
    const repository = await startLarge();
    await client.query(
      "UPDATE items SET label = label || 'x' WHERE id % 50 < 2; UPDATE lines SET label = label || 'x' WHERE id LIKE '%77'",
    );
    const { copied, faultySource, stop } = watchReaders();
    const { manifest } = await backUp(repository, { faultySource });
    stop();
    expect(copied.second.filter(changesLines)).toHaveLength(1);
    expect(copied.first.filter(changesLines)).toEqual([]);
    for (const table of ["items", "lines"] as const) {
      expect(entryOf(manifest, table).layers).toHaveLength(1);
      expect(await storedRows(repository, manifest, table)).toEqual(await liveRows(table));
    }
  });

  test("when it breaks at these, they are read anew, and the backup is not sealed", async () => {
    const repository = await startLarge();
    await client.query(
      "UPDATE items SET label = label || 'x' WHERE id % 50 < 2; UPDATE lines SET label = label || 'x' WHERE id LIKE '%77'",
    );
    const { copied, faultySource, stop } = watchReaders(async () => {
      throw new BackupError("SourceUnreachable", "it broke");
    });
    await expect(backUp(repository, { faultySource })).rejects.toMatchObject({ code: "SnapshotLost" });
    stop();
    expect(copied.first.filter(changesLines)).toHaveLength(1);
  });

  function onSecondImport(act: (importing: () => Promise<SnapshotReader>) => Promise<SnapshotReader>) {
    let imports = 0;
    return (source: SourceDatabase): SourceDatabase => ({
      ...source,
      importSnapshot: async (reference) => {
        imports += 1;
        return imports === 2
          ? await act(() => source.importSnapshot(reference))
          : await source.importSnapshot(reference);
      },
    });
  }
});

async function firstOrganization(store: ReturnType<typeof createMemoryStore>): Promise<string | null> {
  for await (const { key } of store.list("organizations/")) return key.split("/")[1] ?? null;
  return null;
}
