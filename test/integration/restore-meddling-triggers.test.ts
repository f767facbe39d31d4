// Triggers that never rest (ENABLE ALWAYS) do something else than what was planned: each way is noticed by name, and
// nothing is committed.
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import { createRestoreFixture, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, note text);
  CREATE TABLE words (org_id integer NOT NULL REFERENCES orgs, word text);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO guests SELECT i, 1 + i / 100, 'as it was' FROM generate_series(1, 3) AS i;
  INSERT INTO guests VALUES (100, 2, 'theirs');
  INSERT INTO words VALUES (1, 'ours'), (2, 'theirs')`;
/** In the backup: guests 1 to 3. Live: 2 is gone, 3 is changed, 4 and the word are new. */
const damageSql = `
  DELETE FROM guests WHERE id = 2;
  UPDATE guests SET note = 'damaged' WHERE id = 3;
  INSERT INTO guests VALUES (4, 1, 'new');
  INSERT INTO words VALUES (1, 'new')`;

let fixture: RestoreFixture;
let backup: BackupContent;
beforeEach(async () => {
  fixture = await createRestoreFixture(schemaSql, catalogueOf(["public.orgs", "public.guests", "public.words"]));
  backup = await fixture.backUp("1");
  await fixture.query(damageSql);
});
afterEach(() => fixture.drop());

const ways: readonly [what: string, when: string, body: string, message: string][] = [
  [
    "keeps rows from being removed",
    "BEFORE DELETE ON guests",
    "RETURN NULL",
    "guests: 0 rows were written where 1 were",
  ],
  [
    "keeps rows from being changed",
    "BEFORE UPDATE ON guests",
    "RETURN NULL",
    "guests: 0 rows were written where 1 were",
  ],
  ["keeps rows from coming back", "BEFORE INSERT ON guests", "RETURN NULL", "guests: 0 rows were written where 1 were"],
  ["keeps rows without key from being removed", "BEFORE DELETE ON words", "RETURN NULL", "words: 0 rows were written"],
  [
    "puts a removed row back",
    "AFTER DELETE ON guests",
    "INSERT INTO public.guests VALUES (OLD.*); RETURN NULL",
    "guests: 1 removed rows are still there",
  ],
  [
    "makes a row of its own",
    "AFTER UPDATE ON guests",
    "INSERT INTO public.guests VALUES (99, 1, 'by a trigger'); RETURN NULL",
    "guests: the organization has 4 rows where 3 were expected",
  ],
  [
    "takes a row away",
    "AFTER UPDATE ON guests",
    "DELETE FROM public.guests WHERE id = 1; RETURN NULL",
    "guests: the organization has 2 rows where 3 were expected",
  ],
  [
    "writes something else",
    "BEFORE UPDATE ON guests",
    "NEW.note := 'by a trigger'; RETURN NEW",
    "guests: 1 rows are not what was written",
  ],
  [
    "gives a row to another organization",
    "BEFORE UPDATE ON guests",
    "NEW.org_id := 2; RETURN NEW",
    "guests: 1 rows are not what was written, or not the organization's",
  ],
];

test.each(ways)("a trigger that %s", async (_what, when, body, message) => {
  const [, table = ""] = when.split(" ON ");
  await fixture.query(`
    CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN ${body.replaceAll("'", "''")}; END';
    CREATE TRIGGER meddle ${when} FOR EACH ROW EXECUTE FUNCTION meddle();
    ALTER TABLE ${table} ENABLE ALWAYS TRIGGER meddle`);
  const [before, others] = [await fixture.fingerprint("1"), await fixture.fingerprint("2")];
  await expect(restore(fixture, fixture.plan("1", backup, { liveOnly: "mirror" }))).rejects.toMatchObject({
    code: "RestoreInvalid",
    message: expect.stringContaining(message),
  });
  expect(await fixture.fingerprint("1")).toEqual(before);
  expect(await fixture.fingerprint("2")).toEqual(others);
});
