// Others commit while a restore's transaction is under way: its snapshot doesn't see them, and with the triggers at rest no
// check of the database does. Nothing may be left that the database itself would have refused.
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Client } from "pg";
import type { BackupContent, RestorePlanInput } from "../../src/ports/restore-target.ts";
import { applyWhileOthers } from "../support/apply-while-others.ts";
import { createRestoreFixture, optionsOf, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs ON DELETE CASCADE);
  CREATE TABLE gifts (id integer PRIMARY KEY, guest_id integer NOT NULL REFERENCES guests ON DELETE CASCADE, what text);
  CREATE TABLE seats (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, place integer,
    UNIQUE (place) DEFERRABLE INITIALLY DEFERRED);
  CREATE TABLE tags (id integer PRIMARY KEY DEFERRABLE, org_id integer NOT NULL REFERENCES orgs);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO guests VALUES (1, 1), (2, 1), (20, 2);
  INSERT INTO gifts VALUES (1, 1, 'spoons'), (2, 2, 'forks'), (20, 20, 'theirs');
  INSERT INTO seats VALUES (1, 1, 5), (2, 1, 7), (20, 2, 20);
  INSERT INTO tags VALUES (1, 1), (20, 2)`;

let fixture: RestoreFixture;
let backup: BackupContent;
let holder: Client;

beforeEach(async () => {
  const tables = ["public.orgs", "public.guests", "public.gifts", "public.seats", "public.tags"];
  fixture = await createRestoreFixture(schemaSql, catalogueOf(tables));
  backup = await fixture.backUp("1");
  holder = new Client({ connectionString: fixture.database.url });
  await holder.connect();
});
afterEach(async () => {
  await holder.end();
  await fixture.drop();
});

const applyBeside = (input: RestorePlanInput, lockSql: string, others: string) =>
  applyWhileOthers(fixture, holder, input, { lockSql, others });

const orphans = () => fixture.query("SELECT id FROM gifts WHERE guest_id NOT IN (SELECT id FROM guests)");
const only = (...tables: string[]) => ({ selection: { dataSets: null, tables, records: null } });

test("a row that needs one which is being removed: it is seen, and goes with it", async () => {
  await fixture.query("INSERT INTO guests VALUES (7, 1); INSERT INTO gifts VALUES (70, 7, 'new')");
  const input = fixture.plan("1", backup, { liveOnly: "mirror" });
  const lock = "SELECT 1 FROM gifts WHERE id = 70 FOR UPDATE"; // gifts go before guests do
  const result = await applyBeside(input, lock, "INSERT INTO gifts VALUES (71, 7, 'newest')");
  expect(result).toMatchObject({ applied: true });
  expect(await orphans()).toEqual([]);
  expect(await fixture.query("SELECT id FROM gifts ORDER BY id")).toEqual([{ id: 1 }, { id: 2 }, { id: 20 }]);
});

test.each([
  ["beside rows that are changed", "UPDATE gifts SET what = '?' WHERE id = 2"],
  ["where all rows of a table are inserted", "DELETE FROM gifts WHERE id = 2"],
])("a row is removed that one needs which comes back, %s: nothing comes back alone", async (_where, damage) => {
  await fixture.query(`DELETE FROM gifts WHERE id = 1; ${damage}; UPDATE seats SET place = 70 WHERE id = 2`);
  const input = fixture.plan("1", backup, only("public.gifts", "public.seats"));
  const applying = applyBeside(input, "SELECT 1 FROM seats WHERE id = 2 FOR UPDATE", "DELETE FROM guests WHERE id = 1");
  await expect(applying).rejects.toMatchObject({ code: "RestoreInvalid", details: { table: "public.gifts" } });
  expect(await orphans()).toEqual([]);
  expect(await fixture.query("SELECT 1 FROM gifts WHERE id = 1")).toEqual([]);
});

test("a value that comes back, under a constraint that is checked at the end, is taken: it is seen, and refused", async () => {
  await fixture.query("DELETE FROM seats WHERE id = 1; INSERT INTO seats VALUES (8, 1, 80)");
  const input = fixture.plan("1", backup, { liveOnly: "mirror" });
  const lock = "SELECT 1 FROM seats WHERE id = 8 FOR UPDATE"; // rows that go are the first
  const applying = applyBeside(input, lock, "INSERT INTO seats VALUES (21, 2, 5)");
  await expect(applying).rejects.toMatchObject({ code: "RestoreConflict" });
  expect(await fixture.query("SELECT id FROM seats WHERE place = 5")).toEqual([{ id: 21 }]);
});

test("so is a primary key that is checked at the end", async () => {
  await fixture.query("DELETE FROM tags WHERE id = 1; INSERT INTO seats VALUES (8, 1, 80)");
  const input = fixture.plan("1", backup, { liveOnly: "mirror" });
  const lock = "SELECT 1 FROM seats WHERE id = 8 FOR UPDATE";
  const applying = applyBeside(input, lock, "INSERT INTO tags VALUES (1, 2)");
  await expect(applying).rejects.toMatchObject({ code: "RestoreConflict" });
  expect(await fixture.query("SELECT org_id FROM tags WHERE id = 1")).toEqual([{ org_id: 2 }]);
});

test("another value that comes at the same time, under such a constraint, is no matter", async () => {
  await fixture.query("DELETE FROM seats WHERE id = 1; INSERT INTO seats VALUES (8, 1, 80)");
  const input = fixture.plan("1", backup, { liveOnly: "mirror" });
  const lock = "SELECT 1 FROM seats WHERE id = 8 FOR UPDATE";
  const result = await applyBeside(input, lock, "INSERT INTO seats VALUES (21, 2, 6)");
  expect(result).toMatchObject({
    applied: true,
    proofs: expect.arrayContaining(["1 deferrable unique and exclusion constraints"]),
  });
  expect(await fixture.query("SELECT id FROM seats WHERE place IN (5, 6) ORDER BY id")).toEqual([
    { id: 1 },
    { id: 21 },
  ]);
});

test("a merge fills in no value that another row has, also under a constraint that is checked at the end", async () => {
  await fixture.query("UPDATE seats SET place = NULL WHERE id = 2; INSERT INTO seats VALUES (9, 1, 7)");
  const input = fixture.plan("1", backup, { strategy: "merge" });
  await fixture.target.stage(input, () => {});
  await expect(fixture.target.apply(input, optionsOf("merge"))).rejects.toMatchObject({ code: "RestoreConflict" });
  expect(await fixture.query("SELECT id FROM seats WHERE place = 7")).toEqual([{ id: 9 }]);
});
