// Every statement of a restore or a rollback that writes live rows, or goes by them, asks by itself whose they are. Here its working tables
// name a row of another organization beside one of ours, as no planning should make them; each statement runs alone, so
// that no other guard stands in for its own.
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "@jest/globals";
import { Client } from "pg";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { everything } from "../../src/domain/restore-request.ts";
import { planRestore } from "../../src/domain/restore/restore-plan.ts";
import type { RestoreTable } from "../../src/domain/restore/restore-table.ts";
import { Staging } from "../../src/domain/restore/staging-names.ts";
import { hashShownRows } from "../../src/domain/restore/difference-sql.ts";
import { markTakenByValue, type UniqueIndex } from "../../src/domain/restore/unique-sql.ts";
import { deleteByHash, refuseChanged } from "../../src/domain/restore/undo-sql.ts";
import {
  captureBefore,
  deleteParked,
  deleteRows,
  deleteWholeRows,
  setAside,
  updateRows,
} from "../../src/domain/restore/write-sql.ts";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import { createRestoreFixture, optionsOf, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, note text);
  CREATE TABLE gifts (id integer PRIMARY KEY, guest_id integer NOT NULL REFERENCES guests, note text);
  CREATE TABLE words (guest_id integer NOT NULL REFERENCES guests, word text);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO guests VALUES (1, 1, 'ours'), (2, 1, 'ours'), (3, 2, 'theirs');
  INSERT INTO gifts SELECT id, id, note FROM guests;
  INSERT INTO words SELECT id, note FROM guests;`;
const [ours, theirs] = [1, 3];

let fixture: RestoreFixture;
let backup: BackupContent;
let tables: ReadonlyMap<string, RestoreTable>;

beforeAll(async () => {
  const catalogue = catalogueOf(["public.orgs", "public.guests", "public.gifts", "public.words"]);
  fixture = await createRestoreFixture(schemaSql, catalogue);
  backup = await fixture.backUp("1");
  const source = createPostgresSource({ url: fixture.database.url });
  const plan = planRestore({
    organizationId: "1",
    catalogue,
    backupSchema: backup.schema,
    stored: backup.tables,
    selection: everything,
    renamedColumns: {},
    liveSchema: await source.readSchema(["public"]),
  });
  await source.close();
  tables = new Map(plan.tables.map((table) => [table.table, table]));
});
afterAll(() => fixture.drop());

const tableOf = (name: string): RestoreTable => tables.get(`public.${name}`) as RestoreTable;

describe("alone, a statement leaves another organization's row", () => {
  const staging = new Staging("guards");
  let client: Client;
  beforeEach(async () => {
    client = new Client({ connectionString: fixture.database.url });
    await client.connect();
    await client.query("CREATE SCHEMA guards");
    await client.query("SET session_replication_role = replica"); // no foreign key holds a row back
  });
  afterEach(async () => {
    await client.query("DROP SCHEMA guards CASCADE");
    await client.query(
      "TRUNCATE words, gifts, guests; INSERT INTO guests VALUES (1, 1, 'ours'), (2, 1, 'ours'), (3, 2, 'theirs'); INSERT INTO gifts SELECT id, id, note FROM guests; INSERT INTO words SELECT id, note FROM guests",
    );
    await client.end();
  });

  /** w, v and s name one row of each organization. */
  async function forge(table: RestoreTable, operation: "update" | "delete"): Promise<void> {
    const { number } = table;
    await client.query(
      `CREATE TABLE ${staging.table("w", number)} AS SELECT '${operation}'::text AS operation, k1, true AS parked, false AS merged FROM (VALUES (${ours}), (${theirs})) AS x(k1)`,
    );
    await client.query(
      `CREATE TABLE ${staging.table("v", number)} AS SELECT * FROM ${table.table} WHERE id IN (${ours}, ${theirs})`,
    );
    await client.query(`UPDATE ${staging.table("v", number)} SET note = 'written'`);
  }
  const run = async (sql: string): Promise<number | null> => (await client.query(sql)).rowCount;
  const texts = async (table: RestoreTable): Promise<unknown[]> =>
    (await client.query(`SELECT (t.*)::text AS text FROM ${table.table} AS t ORDER BY 1`)).rows.map((row) => row.text);

  const keyed = [
    ["deletes", "delete", (table: RestoreTable) => deleteRows(staging, table)],
    ["takes parked rows out", "update", (table: RestoreTable) => deleteParked(staging, table)],
    ["updates", "update", (table: RestoreTable) => updateRows(staging, table, ["note"], true)],
    [
      "sets an updated row's value aside",
      "update",
      (table: RestoreTable) => setAside(staging, table, "update", "note", "'aside'"),
    ],
    [
      "sets a leaving row's value aside",
      "delete",
      (table: RestoreTable) => setAside(staging, table, "delete", "note", "'aside'"),
    ],
  ] as const;
  const places = ["guests", "gifts"]; // by a column of its own; by what it hangs on

  test.each(places.flatMap((place) => keyed.map((each) => [place, ...each] as const)))(
    "of %s that %s",
    async (place, _what, operation, write) => {
      const table = tableOf(place);
      await forge(table, operation);
      const before = await texts(table);
      expect(await run(write(table))).toBe(1);
      const after = await texts(table);
      const gone = before.filter((text) => !after.includes(text));
      expect(gone).toEqual(["(1,1,ours)"]);
    },
  );

  test.each(places)("of %s out of what it remembers of before", async (place) => {
    const table = tableOf(place);
    await forge(table, "update");
    expect(await run(captureBefore(staging, table))).toBe(1);
    expect(await run(`SELECT 1 FROM ${staging.table("u", table.number)} WHERE id = ${theirs}`)).toBe(0);
  });

  test("of a table without primary key that deletes it, and that undoes it", async () => {
    const table = tableOf("words");
    const w = staging.table("w", table.number);
    const before = await texts(table);
    await client.query(
      "CREATE SCHEMA wedsync_restore; CREATE TABLE wedsync_restore.undo (restore_id text, table_name text, operation text, key text[], before_row text, after_hash uuid)",
    );
    await client.query(
      `CREATE TABLE ${w} AS SELECT 'delete'::text AS operation, ROW(guest_id, word)::text AS row_text, 1 AS copies FROM words WHERE guest_id IN (${ours}, ${theirs})`,
    );
    expect(await run(deleteWholeRows(staging, table, "'x'", "'public.words'"))).toBe(1);
    expect(await texts(table)).toEqual(before.filter((text) => text !== "(1,ours)"));
    await client.query(
      `DROP SCHEMA wedsync_restore CASCADE; DROP TABLE ${w}; INSERT INTO words VALUES (${ours}, 'ours')`,
    );
    await client.query(
      `CREATE TABLE ${w} AS SELECT md5((t.*)::text)::uuid AS after_hash, 1 AS wanted, 1 AS copies FROM words AS t WHERE guest_id IN (${ours}, ${theirs})`,
    );
    expect(await run(deleteByHash(staging, table))).toBe(1);
    expect(await texts(table)).toEqual(before.filter((text) => text !== "(1,ours)"));
  });

  test.each(places)("of %s out of a rollback: it went to them since", async (place) => {
    const table = tableOf(place);
    const d = staging.table("d", table.number);
    await client.query(
      `CREATE TABLE ${d} AS SELECT 'update'::text AS done, id AS k1, md5((t.*)::text)::uuid AS after_hash, 'changed'::text AS kind, NULL::text AS refused FROM ${table.table} AS t WHERE id IN (${ours}, ${theirs})`,
    );
    for (const sql of refuseChanged(staging, table)) await client.query(sql);
    const { rows } = await client.query(`SELECT k1, refused FROM ${d} ORDER BY k1`);
    expect(rows).toEqual([
      { k1: ours, refused: null },
      { k1: theirs, refused: "changed since" },
    ]);
  });

  test.each(places)("of %s out of what it hashes for people", async (place) => {
    const table = tableOf(place);
    const d = staging.table("d", table.number);
    await client.query(
      `CREATE TABLE ${d} AS SELECT 'taken'::text AS kind, id AS k1, NULL::uuid AS live_hash FROM ${table.table} WHERE id IN (${ours}, ${theirs})`,
    );
    expect(await run(hashShownRows(staging, table))).toBe(1);
    expect((await client.query(`SELECT k1 FROM ${d} WHERE live_hash IS NOT NULL`)).rows).toEqual([{ k1: ours }]);
  });

  test.each([
    ["guests", "changed"],
    ["guests", "live only"],
    ["gifts", "changed"],
    ["gifts", "live only"],
  ])("of %s, %s, and its unique value: it counts on none but ours to give one up", async (place, kind) => {
    const table = tableOf(place);
    const [d, s] = [staging.table("d", table.number), staging.table("s", table.number)];
    const index: UniqueIndex = {
      name: "one_note",
      expressions: ["note"],
      operators: null,
      condition: null,
      nullsEqual: false,
      deferrable: false,
      columns: ["note"],
    };
    // Two rows come back, with the note that one of ours has and with the one that theirs has; both are said to move on.
    await client.query(`UPDATE ${table.table} SET note = 'another' WHERE id = 2`);
    await client.query(
      `CREATE TABLE ${s} AS SELECT * FROM ${table.table} WHERE id IN (${ours}, ${theirs}); UPDATE ${s} SET id = id + 10`,
    );
    await client.query(
      `CREATE TABLE ${d} AS SELECT * FROM (VALUES ('${kind}', ${ours}), ('${kind}', ${theirs}), ('missing', ${ours + 10}), ('missing', ${theirs + 10})) AS x(kind, k1)`,
    );
    const fate = { writesChanged: true, movesChanged: true, removesLiveOnly: true };
    expect(await run(markTakenByValue(staging, table, index, fate))).toBe(1);
    expect((await client.query(`SELECT k1 FROM ${d} WHERE kind = 'taken'`)).rows).toEqual([{ k1: theirs + 10 }]);
  });
});

test.each([
  ["changed", "overwritten"],
  ["live only", "removed"],
])("a difference that names another organization's row as %s ends the restore before it is %s", async (kind) => {
  await fixture.query("UPDATE guests SET note = 'damaged' WHERE id = 1");
  await fixture.query("INSERT INTO guests VALUES (9, 1, 'made since')");
  const damaged = await fixture.fingerprint("1");
  const others = await fixture.fingerprint("2");
  const input = fixture.plan("1", backup, { liveOnly: "mirror" });
  await fixture.target.stage(input, () => {});
  await fixture.target.diff(input);
  const schema = `wedsync_restore_${input.restoreId.replaceAll("-", "")}`;
  const { number } = tableOf("guests");
  await fixture.query(`INSERT INTO ${schema}.d${number} (number, kind, k1) VALUES (99, $1, $2)`, [kind, theirs]);
  await expect(fixture.target.apply(input, optionsOf("overwrite", "mirror"))).rejects.toMatchObject({
    code: "RestoreInvalid",
    message: expect.stringContaining("1 rows of public.guests are not the organization's"),
  });
  expect(await fixture.fingerprint("2")).toEqual(others);
  expect(await fixture.fingerprint("1")).toEqual(damaged);
  await fixture.target.dropStaging(input.restoreId);
  await fixture.query("DELETE FROM guests WHERE id = 9; UPDATE guests SET note = 'ours' WHERE id = 1");
});
