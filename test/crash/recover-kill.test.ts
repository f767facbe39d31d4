// kill -9 of `recover` at several points of a recovery by two sessions, of its Postgres, and of both: the same command again
// ends well, with the same rows, and nothing of the first try is left. What it can't be certain of stays, and stops it.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { canonicalSchema } from "../../src/domain/canonical-schema.ts";
import { startKillablePostgres } from "../support/killable-servers.ts";
import {
  catalogue,
  createKillableRecovery,
  everythingIn,
  killRecovery,
  pauseRecovery,
  workingSchemasIn,
  type KillableRecovery,
} from "../support/killable-recovery.ts";
import { copyLive, copyRecovered, sortLines } from "../support/recover-fixture.ts";
import { createTestDatabase, onServer, type TestDatabase } from "../support/test-database.ts";

let recovery: KillableRecovery;
let live: Map<string, Buffer>;
let schema: string;
const databases: TestDatabase[] = [];

async function newDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  databases.push(database);
  return database;
}

async function describeDatabase(url: string): Promise<string> {
  const source = createPostgresSource({ url });
  try {
    const described = await source.readSchema(catalogue.schemas);
    // Of an extension the servers of these tests may have different versions.
    return canonicalSchema({
      ...described,
      extensions: described.extensions.map((each) => ({ ...each, version: "" })),
    });
  } finally {
    await source.close();
  }
}

beforeAll(async () => {
  recovery = await createKillableRecovery();
  const { source, backup } = recovery;
  live = await copyLive(source.url, catalogue, backup.manifest);
  const untouched = await newDatabase();
  expect(await recovery.start(untouched.url).ended).toMatchObject({ code: 0 });
  schema = await describeDatabase(untouched.url);
});
afterAll(async () => {
  for (const database of databases) await database.drop();
  await recovery?.close();
});

async function expectRecovered(target: TestDatabase): Promise<void> {
  const recovered = await copyRecovered(target.url, recovery.backup.manifest);
  expect([...recovered.keys()].sort()).toEqual([...live.keys()].sort());
  for (const [table, copy] of recovered)
    expect(`${table}: ${sortLines(copy).join("\n") === sortLines(live.get(table) as Buffer).join("\n")}`).toBe(
      `${table}: true`,
    );
  expect(await describeDatabase(target.url)).toBe(schema);
  expect(await workingSchemasIn(target)).toEqual([]);
  expect(await target.query("SELECT 1 FROM pg_constraint WHERE contype = 'f' AND NOT convalidated")).toEqual([]);
}

/** The same command again, by two sessions. `cleansUp`: after the first. */
async function expectAgain(target: TestDatabase, { cleansUp }: { cleansUp: boolean }): Promise<void> {
  const { code, stdout, stderr } = await recovery.start(target.url).ended;
  expect({ code, stdout: code === 0 ? "" : stdout }).toEqual({ code: 0, stdout: "" });
  const { backupId } = recovery.backup.manifest;
  expect(JSON.parse(stdout)).toMatchObject({ database: { sessions: 2, cleanedUpAfter: cleansUp ? [backupId] : [] } });
  const lines = stderr.split("\n").filter((line) => line.includes("cleaned up after an unfinished recovery"));
  expect(lines).toEqual(cleansUp ? [expect.stringContaining(backupId)] : []);
  await expectRecovered(target);
}

test.each([
  ["while tables fill", "rows"],
  ["while keys are made", /ADD CONSTRAINT.*(PRIMARY KEY|UNIQUE)/],
  ["while indexes are made", /CREATE INDEX/],
  ["while foreign keys are proven", /FOREIGN KEY/],
  ["just before the last move", /SET SCHEMA/],
  ["in the last move", /DROP SCHEMA/],
  ["as it marks its end", /COMMENT ON TABLE/],
] as const)("killed %s, the same command again ends well", async (_, point) => {
  const target = await newDatabase();
  const { code, pause } = await killRecovery(recovery, target, point);
  try {
    expect(code).toBe(null);
    expect((await workingSchemasIn(target)).length).toBeGreaterThan(2);
    // Its sessions still wait at the point: the server has to notice by itself that nobody is there any more.
    await pause.lift();
    await expectAgain(target, { cleansUp: true });
  } finally {
    await pause.release();
  }
});

test("killed after its last commit, before it could say so, the same command again says that all is there", async () => {
  const target = await newDatabase();
  // What is committed is all that a kill leaves: a run that ended, and whose answer is thrown away, leaves the same.
  expect(await recovery.start(target.url).ended).toMatchObject({ code: 0 });
  const before = await everythingIn(target);
  const { code, stdout } = await recovery.start(target.url).ended;
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { database: { wasThere: true, cleanedUpAfter: [] } }]);
  expect(await everythingIn(target)).toEqual(before);
  await expectRecovered(target);
});

test("killed twice in the same database, it ends well at the third try", async () => {
  const target = await newDatabase();
  for (const point of [/SET SCHEMA/, "rows"] as const) {
    const { pause } = await killRecovery(recovery, target, point);
    await pause.lift();
    await pause.release();
  }
  await expectAgain(target, { cleansUp: true });
});

describe("kill -9 of Postgres while foreign keys are proven", () => {
  let postgres: Awaited<ReturnType<typeof startKillablePostgres>>;

  async function databaseOnIt(name: string): Promise<TestDatabase> {
    await onServer(postgres.database.url, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
    const url = new URL(postgres.database.url);
    url.pathname = `/${name}`;
    return {
      ...postgres.database,
      url: url.href,
      name,
      query: (sql, parameters) => onServer(url.href, sql, parameters),
    };
  }

  beforeAll(async () => {
    postgres = await startKillablePostgres();
  });
  afterAll(() => postgres?.stop());

  test("the command says so, and again ends well", async () => {
    const target = await databaseOnIt("one");
    const pause = await pauseRecovery(target, /FOREIGN KEY/);
    const first = recovery.start(target.url);
    await pause.reached();
    await postgres.killAndRestart();
    const { code, stdout } = await first.ended;
    expect([code, JSON.parse(stdout)]).toMatchObject([75, { error: { code: "RecoverTargetUnreachable" } }]);
    await pause.lift();
    // Whether it could take away what it made depends on when the server was there again.
    const left = await workingSchemasIn(target);
    await expectAgain(target, { cleansUp: left.length > 0 });
  });

  test("and of the command with it: again ends well", async () => {
    const target = await databaseOnIt("two");
    const { pause } = await killRecovery(recovery, target, /FOREIGN KEY/);
    await postgres.killAndRestart();
    await pause.lift();
    expect((await workingSchemasIn(target)).length).toBeGreaterThan(2);
    await expectAgain(target, { cleansUp: true });
  });
});

describe("while another recovery into the database is under way", () => {
  async function expectBusy(target: TestDatabase): Promise<void> {
    const before = await everythingIn(target);
    const { code, stdout } = await recovery.start(target.url).ended;
    const message = expect.stringMatching(/under way( \(the server's process \d+\))?;/);
    const error = { code: "RecoverTargetBusy", retryable: true, message };
    expect([code, JSON.parse(stdout)]).toMatchObject([75, { error }]);
    expect(await everythingIn(target)).toEqual(before);
  }

  test("a recovery is refused, and the other one ends well", async () => {
    const target = await newDatabase();
    const pause = await pauseRecovery(target, /FOREIGN KEY/);
    const first = recovery.start(target.url);
    await pause.reached();
    await expectBusy(target);
    await pause.lift();
    await pause.release();
    expect(await first.ended).toMatchObject({ code: 0 });
    await expectRecovered(target);
  });

  test("the same where the other one has lost its first session, and its second one goes on", async () => {
    const target = await newDatabase();
    const pause = await pauseRecovery(target, /CREATE INDEX/);
    const first = recovery.start(target.url);
    await pause.reached(2);
    const ended = await target.query(`
      SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database()
      WHERE locktype = 'advisory' AND (classid::bigint << 32) | objid::bigint = hashtextextended('wedsync recover lead', 0)`);
    expect(ended).toHaveLength(1);
    await expectBusy(target);
    await pause.lift();
    await pause.release();
    expect((await first.ended).code).toBe(75);
    expect(await workingSchemasIn(target)).toEqual([]);
    await expectAgain(target, { cleansUp: false });
  });
});
