// A recovery by two sessions makes the same database as one by a single session, or leaves nothing, and is chosen only
// where that can be promised.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { canonicalSchema } from "../../src/domain/canonical-schema.ts";
import { recoverToDatabase } from "../../src/recover/recover-to-database.ts";
import type { OrganizationVault } from "../../src/repository/vault.ts";
import { outcomeOf } from "../support/outcome.ts";
import { backUpOrganization, copyRecovered, sortLines, type RecoverableBackup } from "../support/recover-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { createTestDatabase, onServer, type TestDatabase } from "../support/test-database.ts";

const odd = String.raw`"Other ""S"""."Ta.ble (x) REFERENCES"`;
const schemaSql = `
  CREATE SCHEMA "Other ""S""";
  CREATE TYPE "Other ""S""".mood AS ENUM ('fine', 'odd');
  CREATE DOMAIN public.short AS text CHECK (length(value) < 9);
  CREATE SEQUENCE public.loose START 7;
  CREATE TABLE orgs (id integer PRIMARY KEY, favourite integer);
  CREATE TABLE ${odd} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, n serial UNIQUE, "co,l)" integer UNIQUE,
    mood "Other ""S""".mood NOT NULL DEFAULT 'odd', word public.short, twice integer GENERATED ALWAYS AS (n * 2) STORED,
    above integer REFERENCES ${odd} ("co,l)") ON DELETE SET NULL DEFERRABLE, next integer DEFAULT nextval('public.loose'),
    CONSTRAINT "in (it)" CHECK ("co,l)" > 0), EXCLUDE USING btree (word WITH =));
  CREATE UNIQUE INDEX "in dex ON" ON ${odd} (lower(word)) WHERE mood = 'fine';
  ALTER TABLE orgs ADD FOREIGN KEY (favourite) REFERENCES ${odd} (n);
  CREATE TABLE events (id integer, org_id integer NOT NULL REFERENCES orgs, day date, note text DEFAULT 'none', PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE "Other ""S""".events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE events_rest PARTITION OF events DEFAULT;
  CREATE INDEX ON events (note);
  CREATE TABLE words (org_id integer NOT NULL REFERENCES orgs, word text);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO ${odd} (org_id, "co,l)", word, above) SELECT 1, i, 'w' || i, nullif(i - 1, 0) FROM generate_series(1, 50) AS i;
  INSERT INTO events SELECT i, 1, date '2024-06-01' + i * 9, E'tab\\t' || i FROM generate_series(1, 80) AS i;
  INSERT INTO words VALUES (1, 'a'), (1, 'a'), (1, NULL), (2, 'theirs');
  UPDATE orgs SET favourite = 3 WHERE id = 1;
`;
const catalogue = catalogueOf(["public.orgs", 'Other "S".Ta.ble (x) REFERENCES', "public.events", "public.words"], {
  schemas: ["public", 'Other "S"'],
});

const databases: TestDatabase[] = [];
let backup: RecoverableBackup;

async function newDatabase(sql = ""): Promise<TestDatabase> {
  const database = await createTestDatabase();
  databases.push(database);
  if (sql !== "") await onServer(database.url, sql);
  return database;
}

const backUp = ({ url }: TestDatabase): Promise<RecoverableBackup> =>
  backUpOrganization({ url, catalogue, organizationId: "1" });

async function describeDatabase({ url }: TestDatabase): Promise<string> {
  const source = createPostgresSource({ url });
  try {
    return canonicalSchema(await source.readSchema(catalogue.schemas));
  } finally {
    await source.close();
  }
}

const schemasOf = (database: TestDatabase) =>
  database.query("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1");

const recover = ({ url }: TestDatabase, { vault, manifest }: RecoverableBackup, bytesForTwoSessions = 0) =>
  recoverToDatabase({ vault, manifest, databaseUrl: url, bytesForTwoSessions });

/** Before the first row is read, `work` is done. */
function whileLoading(of: RecoverableBackup, work: () => Promise<unknown>): RecoverableBackup {
  let done: Promise<unknown> | null = null;
  const beginSegments: OrganizationVault["beginSegments"] = async (...parameters) => {
    await (done ??= work());
    return await of.vault.beginSegments(...parameters);
  };
  return { ...of, vault: Object.create(of.vault, { beginSegments: { value: beginSegments } }) as OrganizationVault };
}

beforeAll(async () => {
  backup = await backUp(await newDatabase(schemaSql));
});
afterAll(async () => {
  for (const database of databases) await database.drop();
});

test("two sessions make the same tables, keys, indexes, sequences and rows as one", async () => {
  const [one, two] = [await newDatabase(), await newDatabase()];
  const [alone, both] = [await recover(one, backup, Number.POSITIVE_INFINITY), await recover(two, backup)];
  expect([alone.sessions, both.sessions]).toEqual([1, 2]);
  expect(both).toMatchObject({ tables: alone.tables, rows: 134, leftOut: alone.leftOut });
  expect(await describeDatabase(two)).toEqual(await describeDatabase(one));
  expect(await schemasOf(two)).toEqual(await schemasOf(one));
  const [rowsOfOne, rowsOfTwo] = [
    await copyRecovered(one.url, backup.manifest),
    await copyRecovered(two.url, backup.manifest),
  ];
  for (const [table, copy] of rowsOfOne)
    expect([table, sortLines(rowsOfTwo.get(table) as Buffer)]).toEqual([table, sortLines(copy)]);
  for (const database of [one, two]) {
    expect(await database.query("SELECT 1 FROM pg_constraint WHERE contype = 'f' AND NOT convalidated")).toEqual([]);
    await database.query(`INSERT INTO ${odd} (org_id, "co,l)", word) VALUES (1, 99, 'new')`);
    expect(await database.query(`SELECT id, n, twice FROM ${odd} WHERE "co,l)" = 99`)).toEqual([
      { id: "51", n: 51, twice: 102 },
    ]);
  }
});

describe("nothing is left", () => {
  test.each(["lost", "flipped"])("where a pack is %s, and the next recovery ends well", async (damage) => {
    const { store } = backup;
    const [key, bytes] = [...store.objects].find(([each]) => each.includes("/packs/")) as [string, Buffer];
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 1, flipped.length >> 1);
    if (damage === "lost") store.objects.delete(key);
    else store.objects.set(key, flipped);
    const target = await newDatabase();
    const before = await schemasOf(target);
    try {
      const code = damage === "lost" ? "ObjectMissing" : "ObjectCorrupt";
      expect(await outcomeOf(() => recover(target, backup))).toBe(code);
    } finally {
      store.objects.set(key, bytes);
    }
    expect(await schemasOf(target)).toEqual(before);
    expect(await recover(target, backup)).toMatchObject({ sessions: 2, rows: 134 });
  });

  test("where the server ends both sessions", async () => {
    const target = await newDatabase();
    const before = await schemasOf(target);
    const sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    const ended = whileLoading(backup, () => onServer(databases[0]?.url ?? "", sql, [target.name]));
    expect(await outcomeOf(() => recover(target, ended))).toBe("RecoverTargetUnreachable");
    expect(await schemasOf(target)).toEqual(before);
    expect(await recover(target, backup)).toMatchObject({ sessions: 2, rows: 134 });
  });

  test("where somebody makes a table of the same name meanwhile, and that stays", async () => {
    const target = await newDatabase();
    const before = await schemasOf(target);
    const taken = whileLoading(backup, () => target.query("CREATE TABLE words (mine integer)"));
    expect(await outcomeOf(() => recover(target, taken))).toBe("RecoverTargetRefused");
    expect(await schemasOf(target)).toEqual(before);
    expect(await target.query("SELECT typname FROM pg_type WHERE typname IN ('short', 'mood', 'words')")).toEqual([
      { typname: "words" },
    ]);
    expect(await target.query("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")).toEqual([
      { relname: "words" },
    ]);
  });
});

test.each([0, Number.POSITIVE_INFINITY])(
  "a second recovery meanwhile is refused (two sessions from %d bytes on)",
  async (bytes) => {
    const target = await newDatabase();
    let second = "";
    const meanwhile = whileLoading(backup, async () => {
      second = await outcomeOf(() => recover(target, backup));
    });
    expect(await recover(target, meanwhile, bytes)).toMatchObject({ rows: 134, cleanedUpAfter: [] });
    expect(second).toBe("RecoverTargetBusy");
  },
);

test.each([
  [
    "a function",
    "CREATE FUNCTION one() RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT 1'; ALTER TABLE words ADD COLUMN c integer DEFAULT one()",
  ],
  ["a column of a table's row type", "ALTER TABLE words ADD COLUMN whose orgs"],
  ["a default that names a table", "ALTER TABLE words ADD COLUMN place regclass DEFAULT 'orgs'::regclass"],
  ["inheritance", "CREATE TABLE more_words () INHERITS (words)"],
])("one session recovers a schema with %s", async (what, sql) => {
  const source = await newDatabase(`${schemaSql};${sql}`);
  const isChild = what === "inheritance";
  const names = [...(catalogue.dataSets[0]?.tables ?? []), ...(isChild ? ["public.more_words"] : [])];
  const organizationColumns: Record<string, string> = isChild ? { "public.more_words": "org_id" } : {};
  const { schemas } = catalogue;
  const made = await backUpOrganization({
    url: source.url,
    catalogue: catalogueOf(names, { schemas, organizationColumns }),
    organizationId: "1",
  });
  const target = await newDatabase();
  expect(await recover(target, made)).toMatchObject({ sessions: 1, rows: 134 });
});
