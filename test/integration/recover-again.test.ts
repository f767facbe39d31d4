// The same recovery once more, after one that ended: its process may have died before it could say so. What is there already
// is proven again and said; what is not the same any more is named, and stays.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { recoverToDatabase } from "../../src/recover/recover-to-database.ts";
import { createHostileSchema, hostileCatalogue, hostileOrganizationId } from "../support/hostile-schema.ts";
import { everythingIn } from "../support/killable-recovery.ts";
import { backUpOrganization, type RecoverableBackup } from "../support/recover-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const databases: TestDatabase[] = [];
let backup: RecoverableBackup;
let next: RecoverableBackup;
/** Nothing but keys names its tables, so that two sessions may recover it. */
let plain: RecoverableBackup;

async function newDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  databases.push(database);
  return database;
}

beforeAll(async () => {
  const { url } = await newDatabase();
  await createHostileSchema(url);
  const input = { url, catalogue: hostileCatalogue, organizationId: hostileOrganizationId };
  [backup, next] = [await backUpOrganization(input), await backUpOrganization(input)];
  const small = await newDatabase();
  await small.query(
    "CREATE TABLE orgs (id integer PRIMARY KEY); CREATE TABLE guests (id serial PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs); INSERT INTO orgs VALUES (1); INSERT INTO guests (org_id) VALUES (1), (1)",
  );
  const catalogue = catalogueOf(["public.orgs", "public.guests"]);
  plain = await backUpOrganization({ url: small.url, catalogue, organizationId: "1" });
});
afterAll(async () => {
  for (const database of databases) await database.drop();
});

const recover = ({ url }: TestDatabase, { vault, manifest }: RecoverableBackup, bytesForTwoSessions?: number) =>
  recoverToDatabase({
    vault,
    manifest,
    databaseUrl: url,
    ...(bytesForTwoSessions === undefined ? {} : { bytesForTwoSessions }),
  });

/** Rows with the transaction that wrote them, too. */
async function stateOf(database: TestDatabase): Promise<unknown> {
  const tables = await database.query<{ name: string }>(
    "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND oid >= 16384 AND relnamespace::regnamespace::text !~ '^(pg_|information)' ORDER BY 1",
  );
  const rows = [];
  for (const { name } of tables)
    rows.push(name, await database.query(`SELECT xmin::text, (t.*)::text AS row FROM ${name} AS t ORDER BY 2`));
  return [await everythingIn(database), rows];
}

test.each([
  [1, () => backup, Number.POSITIVE_INFINITY],
  [2, () => plain, 0],
])("by %d sessions: it says that all is there, proves it, and writes nothing", async (sessions, of, bytesForTwo) => {
  const target = await newDatabase();
  const first = await recover(target, of(), bytesForTwo);
  expect(first).toMatchObject({ wasThere: false, sessions });
  const before = await stateOf(target);
  const { tables, rows, bytes, leftOut } = first;
  expect(await recover(target, of())).toMatchObject({ wasThere: true, tables, rows, bytes, leftOut });
  expect(await stateOf(target)).toEqual(before);
});

test("what the database refused the first time is said again", async () => {
  const target = await newDatabase();
  const [table] = backup.manifest.schema.tables;
  const broken = structuredClone(backup.manifest);
  const constraint = { name: "never", definition: "CHECK (false)", kind: "c" as const };
  for (const each of broken.schema.tables)
    if (each.name === table?.name) Object.assign(each, { constraints: [...each.constraints, constraint] });
  const odd = { ...backup, manifest: broken };
  const { leftOut } = await recover(target, odd);
  expect(leftOut.filter((note) => note.includes("never"))).toHaveLength(1);
  expect(await recover(target, odd)).toMatchObject({ wasThere: true, leftOut });
});

const events = "public.events";
test.each([
  ["a row was written again as it is", `UPDATE ${events} SET note = note`, false],
  ["a row was changed", `UPDATE ${events} SET note = 'changed'`, true],
  ["a row was removed", `DELETE FROM ${events} WHERE ctid IN (SELECT ctid FROM ${events} LIMIT 1)`, true],
  ["a table was dropped", `DROP TABLE ${events} CASCADE`, true],
])("%s since", async (_, sql, isOther) => {
  const target = await newDatabase();
  await recover(target, backup);
  await target.query(sql);
  const before = await stateOf(target);
  const again = recover(target, backup);
  if (isOther)
    await expect(again).rejects.toMatchObject({
      code: "RecoverTargetNotEmpty",
      message: expect.stringContaining(`${events} was changed since`),
    });
  else expect(await again).toMatchObject({ wasThere: true });
  expect(await stateOf(target)).toEqual(before);
});

test("another backup's recovery is named, and stays", async () => {
  const target = await newDatabase();
  await recover(target, backup);
  await expect(recover(target, next)).rejects.toMatchObject({
    code: "RecoverTargetNotEmpty",
    message: expect.stringContaining(backup.manifest.backupId),
  });
});
