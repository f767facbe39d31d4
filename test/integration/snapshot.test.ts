// The source under hostile conditions: what can go wrong between a snapshot and the rows read from it has a name.
import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { Client } from "pg";
import { assertOrganization } from "../../activities/assert-organization.ts";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { canonicalSchema } from "../../src/domain/canonical-schema.ts";
import type { TenantClosure } from "../../src/domain/catalogue.ts";
import type { SchemaDescription } from "../../src/domain/schema.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import type { HeldSnapshot, SnapshotReader, SourceDatabase } from "../../src/ports/source-database.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { createTestDatabase, onServer, type TestDatabase } from "../support/test-database.ts";
import { waitUntil } from "../support/wait-until.ts";

const schemaSql = `
  CREATE TABLE orgs (id bigint PRIMARY KEY);
  CREATE TABLE notes (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs, body text);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO notes SELECT i, 1 + i % 2, repeat(md5(i::text), 20) FROM generate_series(1, 60000) AS i;`;
const catalogue = catalogueOf(["public.orgs", "public.notes"]);
const classify = (schema: SchemaDescription): TenantClosure => planTenantClosure(schema, catalogue);

let database: TestDatabase;
let opened: { close(): Promise<void> }[];
const roles: string[] = [];

beforeEach(async () => {
  opened = [];
  database = await createTestDatabase();
  await database.query(schemaSql);
});

afterEach(async () => {
  for (const each of opened.reverse()) await each.close();
  await database.drop();
});

afterAll(async () => {
  for (const role of roles) await onServer(process.env["TEST_POSTGRES_URL"] as string, `DROP ROLE ${role}`);
});

function openSource(url = database.url, lockTimeoutMs = 10_000): SourceDatabase {
  const source = createPostgresSource({ url, applicationName: "source under test", lockTimeoutMs });
  opened.push(source);
  return source;
}

async function hold(source: SourceDatabase): Promise<HeldSnapshot> {
  const held = await source.holdSnapshot(catalogue.schemas, classify);
  opened.push({ close: () => held.release() });
  return held;
}

async function importFrom(source: SourceDatabase, held: HeldSnapshot): Promise<SnapshotReader> {
  const reader = await source.importSnapshot(held.reference);
  opened.push(reader);
  return reader;
}

async function connect(url = database.url): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {}); // some tests end the server's side of it
  await client.connect();
  opened.push({ close: () => client.end() });
  return client;
}

/** A login of its own, allowed to read; dropped with the database. */
async function createRole(setUp: (role: string) => string = () => ""): Promise<string> {
  const role = `test_${randomBytes(6).toString("hex")}`;
  roles.push(role);
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role};
    ${setUp(role)}`);
  const url = new URL(database.url);
  url.username = role;
  url.password = "secret";
  return url.href;
}

const rowsSqlOf = (held: HeldSnapshot, table: string): string =>
  held.closure.tables.find((each) => each.table === table)?.rowsSql ?? "";

async function read(reader: SnapshotReader, sql: string, organizationId = "1"): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of reader.copyRows(sql, organizationId)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

const countRows = (copy: Buffer): number => copy.toString().split("\n").length - 1;

/** Ends the backends of the source, by what they run. */
async function endBackends(which: string): Promise<number> {
  const ended = await database.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'source under test' AND ${which}`,
  );
  return ended.length;
}

const holding = "query LIKE 'WITH RECURSIVE%' AND state = 'idle in transaction'";

test("TRUNCATE while the holder waits for its locks: the snapshot is younger, and sees what came after", async () => {
  const source = openSource();
  // The schema is known from the time before: reading it would wait, too, and the snapshot would be late enough by chance.
  await (await hold(source)).release();
  const other = new Client({ connectionString: database.url });
  await other.connect();
  try {
    await other.query(
      "BEGIN; CREATE TEMP TABLE kept AS TABLE notes; TRUNCATE notes; INSERT INTO notes SELECT * FROM kept",
    );
    const pending = hold(source);
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    await waitUntil("the holder waits", async () => (await database.query(waiting)).length > 0);
    await other.query("COMMIT");
    const reader = await importFrom(source, await pending);
    // A snapshot from before the commit would see neither the old rows (their file is gone) nor the new ones.
    expect(countRows(await read(reader, rowsSqlOf(await pending, "public.notes")))).toBe(30_000);
    await expect(reader.assertIntact()).resolves.toBeUndefined();
  } finally {
    await other.end();
  }
});

describe("TRUNCATE after the snapshot", () => {
  test("waits behind the holder, and the rows are read", async () => {
    const source = openSource();
    const held = await hold(source);
    const reader = await importFrom(source, held);
    await expect(database.query("SET lock_timeout = '200ms'; TRUNCATE notes")).rejects.toMatchObject({ code: "55P03" });
    expect(countRows(await read(reader, rowsSqlOf(held, "public.notes")))).toBe(30_000);
    await expect(reader.assertIntact()).resolves.toBeUndefined();
  });

  test.each([
    ["TRUNCATE", "TRUNCATE notes", 0],
    ["a rewriting ALTER", "ALTER TABLE notes ALTER body TYPE varchar(2000) USING upper(body)", 0],
  ])("%s after the holder died is found, not read as no rows", async (_, sql, rowsThatShow) => {
    const source = openSource();
    const held = await hold(source);
    const reader = await importFrom(source, held);
    expect(await endBackends(holding)).toBe(1);
    await held.lost;
    await database.query(sql);
    expect(countRows(await read(reader, rowsSqlOf(held, "public.notes")))).toBe(rowsThatShow); // the trap
    await expect(reader.assertIntact()).rejects.toMatchObject({
      code: "SnapshotLost",
      details: { tables: ["public.notes"] },
    });
  });

  test("a table read before it is rewritten is safe: the reader's own lock stays", async () => {
    const source = openSource();
    const held = await hold(source);
    const reader = await importFrom(source, held);
    await read(reader, rowsSqlOf(held, "public.notes"));
    await endBackends(holding);
    await held.lost;
    await expect(database.query("SET lock_timeout = '200ms'; TRUNCATE notes")).rejects.toMatchObject({ code: "55P03" });
    await expect(reader.assertIntact()).resolves.toBeUndefined();
  });
});

describe("lost connections", () => {
  test("a holder that was killed says so, and its snapshot can't be imported any more", async () => {
    const source = openSource();
    const held = await hold(source);
    expect(await endBackends(holding)).toBe(1);
    expect(await held.lost).toContain("57P01");
    await expect(source.importSnapshot(held.reference)).rejects.toMatchObject({ code: "SnapshotLost" });
  });

  test("a holder that was released is not lost, and lets go of its locks", async () => {
    const source = openSource();
    const held = await hold(source);
    await held.release();
    await expect(database.query("SET lock_timeout = '10s'; TRUNCATE notes")).resolves.toBeDefined();
    expect(await held.lost).toBe("closed");
  });

  test("a reader that was killed in the middle of a COPY fails; half the rows are never the end", async () => {
    const source = openSource();
    const held = await hold(source);
    const reader = await importFrom(source, held);
    const rows = reader.copyRows(rowsSqlOf(held, "public.notes"), "1")[Symbol.asyncIterator]();
    expect((await rows.next()).done).toBe(false);
    expect(await endBackends("query LIKE 'COPY%'")).toBe(1);
    const rest = async (): Promise<void> => {
      while ((await rows.next()).done !== true);
    };
    await expect(rest()).rejects.toMatchObject({ code: "SourceUnreachable" });
  });

  test("a consumer that stops early leaves nothing running", async () => {
    const source = openSource();
    const held = await hold(source);
    const reader = await importFrom(source, held);
    for await (const chunk of reader.copyRows(rowsSqlOf(held, "public.notes"), "1")) if (chunk.length > 0) break;
    await waitUntil("no COPY runs", async () => {
      const running = await database.query(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%' AND datname = current_database()",
      );
      return running.length === 0;
    });
  });

  test("a server that is not there, and a database that is not", async () => {
    const nowhere = new URL(database.url);
    nowhere.port = "1";
    await expect(openSource(nowhere.href).readSchema(["public"])).rejects.toMatchObject({ code: "SourceUnreachable" });
    const missing = new URL(database.url);
    missing.pathname = "/no_such_database";
    await expect(openSource(missing.href).readSchema(["public"])).rejects.toMatchObject({ code: "SourceAccessDenied" });
  });
});

describe("roles", () => {
  test("row-level security fails, and hides nothing", async () => {
    const url = await createRole(() => "ALTER TABLE notes ENABLE ROW LEVEL SECURITY");
    const source = openSource(url);
    const held = await hold(source);
    const reader = await importFrom(source, held);
    await expect(read(reader, rowsSqlOf(held, "public.notes"))).rejects.toMatchObject({
      code: "RowSecurityActive",
      message: expect.stringContaining("notes") as unknown,
    });
  });

  test("the owner under forced row-level security fails, too", async () => {
    const url = await createRole(
      (role) =>
        `ALTER TABLE notes OWNER TO ${role}; ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
    );
    const source = openSource(url);
    const held = await hold(source);
    const reader = await importFrom(source, held);
    await expect(read(reader, rowsSqlOf(held, "public.notes"))).rejects.toMatchObject({ code: "RowSecurityActive" });
  });

  test("a role with BYPASSRLS reads everything", async () => {
    const url = await createRole((role) => `ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER ROLE ${role} BYPASSRLS`);
    const source = openSource(url);
    const held = await hold(source);
    expect(countRows(await read(await importFrom(source, held), rowsSqlOf(held, "public.notes")))).toBe(30_000);
  });

  test("a table without rights is named", async () => {
    const source = openSource(await createRole((role) => `REVOKE SELECT ON notes FROM ${role}`));
    await expect(source.holdSnapshot(catalogue.schemas, classify)).rejects.toMatchObject({
      code: "SourceAccessDenied",
      message: expect.stringContaining("permission denied for table notes") as unknown,
    });
  });

  test("a schema without rights is named", async () => {
    await database.query("CREATE SCHEMA app; ALTER TABLE notes SET SCHEMA app");
    const source = openSource(await createRole());
    const inApp = catalogueOf(["public.orgs", "app.notes"], { schemas: ["public", "app"] });
    await expect(
      source.holdSnapshot(inApp.schemas, (schema) => planTenantClosure(schema, inApp)),
    ).rejects.toMatchObject({
      code: "SourceAccessDenied",
      message: expect.stringContaining("permission denied for schema app") as unknown,
    });
  });

  test("a wrong password is a refusal, and is not told", async () => {
    const url = new URL(await createRole());
    url.password = "wrong-password";
    const refused = openSource(url.href).readSchema(["public"]);
    await expect(refused).rejects.toMatchObject({ code: "SourceAccessDenied" });
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining("wrong-password") as unknown });
  });
});

describe("organizations", () => {
  test.each([
    ["one that does not exist", "3", "OrganizationNotFound"],
    ["an id of another type", "not a number", "OrganizationInvalid"],
    ["an id that is too large for its type", "9223372036854775808", "OrganizationInvalid"],
    ["an id that tries to be SQL", "1 OR true", "OrganizationInvalid"],
    ["an id with a NUL", "1\0", "OrganizationInvalid"],
  ])("%s is refused", async (_, organizationId, code) => {
    const source = openSource();
    const held = await hold(source);
    const reader = await importFrom(source, held);
    await expect(assertOrganization(reader, held.closure, organizationId)).rejects.toMatchObject({ code });
  });

  test("are listed in the order of their key", async () => {
    await database.query("INSERT INTO orgs VALUES (10), (9)");
    await expect(openSource().listOrganizations({ table: "public.orgs", key: "id" })).resolves.toEqual([
      "1",
      "2",
      "9",
      "10",
    ]);
  });
});

describe("DDL", () => {
  test("a table that stays locked blocks the snapshot by name", async () => {
    const blocker = await connect();
    await blocker.query("BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE");
    await expect(openSource(database.url, 200).holdSnapshot(catalogue.schemas, classify)).rejects.toMatchObject({
      code: "SnapshotBlocked",
    });
    await blocker.query("ROLLBACK");
  });

  test("sessions that wait behind the backup's locks are counted", async () => {
    const held = await hold(openSource());
    expect(await held.countBlockedSessions()).toBe(0);
    const altering = (await connect()).query("ALTER TABLE notes ADD COLUMN late text");
    await waitUntil("one session waits", async () => (await held.countBlockedSessions()) === 1);
    await held.release();
    await altering;
  });

  test("the schema of the snapshot is the one that is described, whatever was remembered", async () => {
    const source = openSource();
    const first = await hold(source);
    await first.release();
    await database.query("ALTER TABLE notes ADD COLUMN added int; DROP TABLE IF EXISTS gone");
    const second = await hold(source);
    expect(second.closure.tables.find((each) => each.table === "public.notes")?.columns).toContain("added");
    expect(second.schema.tables.find((each) => each.name === "public.notes")?.columns).toHaveLength(4);
  });

  test("a table that went away since it was remembered is named by the catalogue's check", async () => {
    const source = openSource();
    await (await hold(source)).release();
    await database.query("DROP TABLE notes");
    await expect(source.holdSnapshot(catalogue.schemas, classify)).rejects.toMatchObject({
      code: "CatalogueTableMissing",
    });
  });
});

describe("settings of the role and the database", () => {
  const hostileSettings = [
    "datestyle = 'SQL, DMY'",
    "timezone = 'Asia/Kathmandu'",
    "intervalstyle = 'iso_8601'",
    "bytea_output = 'escape'",
    "extra_float_digits = -15",
    "xmloption = 'document'",
    "client_encoding = 'LATIN1'",
    "standard_conforming_strings = off",
    "quote_all_identifiers = on",
    "array_nulls = off",
    "gin_fuzzy_search_limit = 1",
    "row_security = on",
    "search_path = evil, public",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_read_only = off",
    "statement_timeout = '1h'",
    "lock_timeout = '1h'",
    "idle_in_transaction_session_timeout = '1h'",
    "idle_session_timeout = '1h'",
    "transaction_timeout = '1h'",
  ];
  const manyTypes = `
    CREATE TABLE kinds (id bigint PRIMARY KEY, org_id bigint NOT NULL REFERENCES orgs, at timestamptz, day date, span interval, data bytea, flt float8, txt text, doc xml, money money, list text[]);
    INSERT INTO kinds VALUES (1, 1, '2025-02-03 04:05:06.000007+00', '0044-03-15 BC', '1 mon -2 days 03:04:05.6', '\\x00ff5c', 0.1::float8 + 0.2::float8, 'ünï 日本', '<a/>b', 12.34, ARRAY['a', NULL, 'NULL']);`;
  const kinds = catalogueOf(["public.orgs", "public.notes", "public.kinds"]);

  test("change no byte of rows or schema, and no time-out ends a long reading", async () => {
    await database.query(manyTypes);
    const plain = openSource();
    const url = await createRole((role) => hostileSettings.map((each) => `ALTER ROLE ${role} SET ${each};`).join("\n"));
    const strange = openSource(url);
    const results = [];
    for (const source of [plain, strange]) {
      const held = await source.holdSnapshot(kinds.schemas, (schema) => planTenantClosure(schema, kinds));
      opened.push({ close: () => held.release() });
      const reader = await importFrom(source, held);
      results.push({
        rows: (await read(reader, rowsSqlOf(held, "public.kinds"))).toString(),
        schema: canonicalSchema(held.schema),
      });
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[0]?.rows).toBe(
      '1\t1\t2025-02-03 04:05:06.000007+00\t0044-03-15 BC\t1 mon -2 days +03:04:05.6\t\\\\x00ff5c\t0.30000000000000004\tünï 日本\t<a/>b\t$12.34\t{a,NULL,"NULL"}\n',
    );
    const reader = await importFrom(
      strange,
      await strange.holdSnapshot(kinds.schemas, (schema) => planTenantClosure(schema, kinds)),
    );
    const timeouts = await reader.query(
      "SELECT name, setting FROM pg_settings WHERE name LIKE '%timeout' AND name ~ '^(statement|lock|idle|transaction)' AND setting <> '0'",
      [],
    );
    expect(timeouts).toEqual([]);
  });

  test("objects on the search path that pose as Postgres' own are not used", async () => {
    await database.query(`
      CREATE SCHEMA evil;
      CREATE FUNCTION evil.same(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
      CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.same);
      CREATE VIEW evil.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE relname <> 'notes';
      CREATE TABLE evil.orgs (id bigint);
      GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA evil TO PUBLIC;`);
    const source = openSource(
      await createRole((role) => `ALTER ROLE ${role} SET search_path = evil, pg_catalog, public`),
    );
    const held = await hold(source);
    const reader = await importFrom(source, held);
    expect(countRows(await read(reader, rowsSqlOf(held, "public.notes")))).toBe(30_000);
    expect(countRows(await read(reader, rowsSqlOf(held, "public.orgs")))).toBe(1);
  });

  test("writing through the source's connection is refused", async () => {
    const source = openSource();
    const reader = await importFrom(source, await hold(source));
    await expect(reader.query("DELETE FROM public.notes", [])).rejects.toMatchObject({ code: "SourceRejected" });
  });
});

describe("connections that are used again", () => {
  const backends = async (): Promise<string[]> =>
    (
      await database.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'source under test' ORDER BY pid",
      )
    ).map(({ pid }) => String(pid));

  test("what was read under one snapshot is over: no lock, no snapshot, no setting is left, and the next sees what came", async () => {
    const source = openSource();
    const held = await hold(source);
    const reader = await importFrom(source, held);
    expect(countRows(await read(reader, rowsSqlOf(held, "public.notes")))).toBe(30_000);
    const before = await backends();
    await reader.close();
    await held.release();
    expect(
      await database.query(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'source under test' AND datname = current_database() AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL)",
      ),
    ).toEqual([]);
    await database.query("DELETE FROM notes WHERE id > 10");
    const again = await hold(source);
    const second = await importFrom(source, again);
    expect(await backends()).toEqual(before);
    expect(countRows(await read(second, rowsSqlOf(again, "public.notes")))).toBe(5);
    const settings =
      "SELECT current_setting('lock_timeout') AS waits, current_setting('row_security') AS rows, current_setting('search_path') AS path, current_setting('transaction_read_only') AS reads";
    expect(await second.query(settings, [])).toEqual([{ waits: "0", rows: "off", path: '""', reads: "on" }]);
    // Closing twice must not take the connection from whoever has it now.
    await reader.close();
    await held.release();
    expect(countRows(await read(second, rowsSqlOf(again, "public.notes")))).toBe(5);
  });

  test("one that is busy, or was ended meanwhile, is not used again", async () => {
    const source = openSource();
    const held = await hold(source);
    const reader = await importFrom(source, held);
    const busy = reader.query("SELECT pg_sleep(600)", []);
    busy.catch(() => {});
    await reader.close();
    await expect(busy).rejects.toMatchObject({ code: "SourceUnreachable" });
    await held.release();
    const [kept] = await backends();
    await endBackends(`pid = ${kept}`);
    await waitUntil("it is gone", async () => !(await backends()).includes(kept ?? ""));
    await waitUntil("a snapshot is held again", async () => {
      const again = await hold(source).catch(() => null);
      return again !== null;
    });
    expect(await backends()).not.toContain(kept);
  });
});
