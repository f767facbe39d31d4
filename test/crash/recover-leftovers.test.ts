// What a killed recovery left is taken away by the next one where it is surely all that there is. Where anything may be
// somebody's, it is named, and nothing in the database changes.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { recoverToDatabase } from "../../src/recover/recover-to-database.ts";
import {
  createKillableRecovery,
  everythingIn,
  killRecovery,
  waitForNoSessions,
  workingSchemasIn,
  type KillableRecovery,
} from "../support/killable-recovery.ts";
import { backUpOrganization, type RecoverableBackup } from "../support/recover-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

let recovery: KillableRecovery;
/** Killed when all its tables were there; the template of what each test begins with. */
let left: TestDatabase;
/** Of an organization that has nothing in common with the other one's schema. */
let small: RecoverableBackup;
/** The working schemas' names up to their numbers. */
let prefix: string;
const databases: TestDatabase[] = [];

async function newDatabase(template?: string): Promise<TestDatabase> {
  const database = await createTestDatabase(template);
  databases.push(database);
  return database;
}

const recoverSmall = ({ url }: TestDatabase) => recoverToDatabase({ ...small, databaseUrl: url });

beforeAll(async () => {
  recovery = await createKillableRecovery();
  left = await newDatabase();
  const { pause } = await killRecovery(recovery, left, /SET SCHEMA/);
  await pause.lift();
  await pause.release();
  await waitForNoSessions(left);
  prefix = (await workingSchemasIn(left))[0]?.replace(/_0$/, "") ?? "";
  const source = await newDatabase();
  await source.query("CREATE TABLE orgs (id integer PRIMARY KEY); INSERT INTO orgs VALUES (1)");
  const catalogue = catalogueOf(["public.orgs"], { schemas: ["public"] });
  small = await backUpOrganization({ url: source.url, catalogue, organizationId: "1" });
});
afterAll(async () => {
  for (const database of databases) await database.drop();
  await recovery?.close();
});

test("another backup's recovery takes all of it away", async () => {
  const [target, clean] = [await newDatabase(left.name), await newDatabase()];
  const { backupId } = recovery.backup.manifest;
  expect(await recoverSmall(target)).toMatchObject({ sessions: 1, rows: 1, cleanedUpAfter: [backupId] });
  expect(await recoverSmall(clean)).toMatchObject({ cleanedUpAfter: [] });
  const named = async (database: TestDatabase) =>
    (await everythingIn(database)).map((what) => what.replace(/ \d+( |$)/, "$1"));
  expect(await named(target)).toEqual(await named(clean));
});

test("an extension and a schema that somebody uses by now stay, and are in nobody's way", async () => {
  const target = await newDatabase(left.name);
  await target.query("CREATE FUNCTION ext.mine() RETURNS ext.citext LANGUAGE sql AS 'SELECT NULL::ext.citext'");
  expect(await recoverSmall(target)).toMatchObject({ rows: 1 });
  expect(await target.query("SELECT ext.mine() AS mine")).toEqual([{ mine: null }]);
  expect(await workingSchemasIn(target)).toEqual([]);
});

test.each<[what: string, sql: string, named: string]>([
  ["a schema without the mark", "COMMENT ON SCHEMA $_1 IS NULL", "the schema $_1"],
  ["a mark with other words", "COMMENT ON SCHEMA $_1 IS 'mine; backup 1'", "the schema $_1"],
  [
    "a name that no recovery gives",
    "ALTER SCHEMA $_2 RENAME TO wedsync_recovery_mine",
    "the schema wedsync_recovery_mine",
  ],
  ["another role's schema", "ALTER SCHEMA $_2 OWNER TO pg_monitor", "the schema $_2, which another role's"],
  ["another role's record", "ALTER TABLE $_0.made OWNER TO pg_monitor", "the schema $_0, whose record"],
  ["no record", "DROP TABLE $_0.made", "the schema $_0, whose record"],
  ["a table that is not recorded", "CREATE TABLE $_1.mine (id int)", "table $_1.mine"],
  [
    "a function in a working schema",
    "CREATE FUNCTION $_2.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "function $_2.mine()",
  ],
  [
    "a table of the same name that another one made way for",
    "ALTER TABLE $_0.made RENAME TO old; CREATE TABLE $_0.made AS SELECT * FROM $_0.old; DROP TABLE $_0.old",
    "table $_0.made",
  ],
  [
    "a schema of such a name beside them",
    "CREATE SCHEMA wedsync_recovery_00000000_1",
    "the schema wedsync_recovery_00000000_1",
  ],
  ["a table outside", "CREATE TABLE mine (id int)", "public.mine"],
  ["a table outside with a type of it", `CREATE TABLE mine (mood "Other ""S""".mood)`, "public.mine"],
  ["a view of a working table", "CREATE VIEW mine AS SELECT id FROM $_1.orgs", "something that hangs on"],
  ["a sequence that was made anew", "DROP SEQUENCE loose CASCADE; CREATE SEQUENCE loose", "public.loose"],
])("%s keeps everything as it is", async (_, sql, named) => {
  const target = await newDatabase(left.name);
  const names = await workingSchemasIn(target);
  const home = (
    await target.query<{ nspname: string }>(
      "SELECT relnamespace::regnamespace AS nspname FROM pg_class WHERE relname = 'orgs'",
    )
  )[0]?.nspname;
  expect(names).toContain(home);
  const fill = (text: string): string => text.replaceAll("$_1", home ?? "").replaceAll("$_", `${prefix}_`);
  await target.query(fill(sql));
  const before = await everythingIn(target);
  await expect(recoverSmall(target)).rejects.toMatchObject({
    code: "RecoverTargetNotEmpty",
    message: expect.stringContaining(fill(named)),
  });
  expect(await everythingIn(target)).toEqual(before);
});

test("a schema of such a name in a database that is empty otherwise is refused and stays, with what is in it", async () => {
  const target = await newDatabase();
  await target.query(
    "CREATE SCHEMA wedsync_recovery_00000000_1; CREATE TABLE wedsync_recovery_00000000_1.orgs AS SELECT 1 AS id",
  );
  await expect(recoverSmall(target)).rejects.toMatchObject({
    code: "RecoverTargetNotEmpty",
    message: expect.stringContaining("wedsync_recovery_00000000_1"),
  });
  expect(await target.query("SELECT id FROM wedsync_recovery_00000000_1.orgs")).toEqual([{ id: 1 }]);
});
