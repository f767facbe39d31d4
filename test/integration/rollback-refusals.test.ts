// What people did after a restore stands in the way of its rollback: it is named, nothing is overwritten, and a partial
// rollback undoes the rest.
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createRestoreFixture, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, seat integer UNIQUE, note text);
  CREATE TABLE gifts (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, guest_id integer REFERENCES guests, note text);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO guests VALUES (1, 1, 1, 'a'), (2, 1, 2, 'b'), (20, 2, 20, 'theirs');
  INSERT INTO gifts VALUES (1, 1, 1, 'a'), (2, 1, NULL, 'b'), (20, 2, 20, 'theirs')`;

let fixture: RestoreFixture;
let others: Record<string, string>;
beforeEach(async () => {
  fixture = await createRestoreFixture(schemaSql, catalogueOf(["public.orgs", "public.guests", "public.gifts"]));
  others = await fixture.fingerprint("2");
});
afterEach(() => fixture.drop());

const cases: readonly {
  readonly what: string;
  /** Between the backup and the restore, and after it. */
  readonly damage: string;
  readonly since: string;
  readonly refused: string;
  /** What a partial rollback leaves: [table, where] that must find a row. */
  readonly partly: readonly string[];
}[] = [
  {
    what: "a row that the restore removed was made again",
    damage: "INSERT INTO guests VALUES (3, 1, 3, 'new'); UPDATE gifts SET note = 'damaged' WHERE id = 2",
    since: "INSERT INTO guests VALUES (3, 1, 3, 'again')",
    refused: "public.guests: 1 rows changed since",
    partly: ["guests WHERE id = 3 AND note = 'again'", "gifts WHERE id = 2 AND note = 'damaged'"],
  },
  {
    what: "a row that the restore removed needs one that is gone since",
    damage: "INSERT INTO gifts VALUES (3, 1, 2, 'new'), (4, 1, NULL, 'new')",
    since: "DELETE FROM guests WHERE id = 2",
    refused: "public.gifts: 1 rows removed since",
    partly: ["gifts WHERE id = 4", "orgs WHERE NOT EXISTS (SELECT 1 FROM gifts WHERE gifts.id = 3) AND orgs.id = 1"],
  },
  {
    what: "a row that the restore changed had a value that another has since",
    damage: "UPDATE guests SET seat = 7 WHERE id = 1; UPDATE guests SET note = 'damaged' WHERE id = 2",
    since: "INSERT INTO guests VALUES (4, 1, 7, 'newer')",
    refused: "public.guests: 1 rows changed since",
    partly: ["guests WHERE id = 1 AND seat = 1", "guests WHERE id = 2 AND note = 'damaged'", "guests WHERE id = 4"],
  },
  {
    what: "a row that the restore brought back is another organization's since",
    damage: "DELETE FROM gifts WHERE id = 2; UPDATE guests SET note = 'damaged' WHERE id = 2",
    since: "UPDATE gifts SET org_id = 2 WHERE id = 2",
    refused: "public.gifts: 1 rows changed since",
    partly: ["gifts WHERE id = 2 AND org_id = 2", "guests WHERE id = 2 AND note = 'damaged'"],
  },
];

test.each(cases)("$what", async ({ damage, since, refused, partly }) => {
  const backup = await fixture.backUp("1");
  await fixture.query(damage);
  const input = fixture.plan("1", backup, { liveOnly: "mirror" });
  await restore(fixture, input);
  await fixture.query(since);
  const now = await fixture.fingerprint("1");
  const theirs = await fixture.fingerprint("2");
  await expect(fixture.target.rollback(input.restoreId, { partial: false })).rejects.toMatchObject({
    code: "RollbackRefused",
    details: { refused: [refused] },
  });
  expect(await fixture.fingerprint("1")).toEqual(now);
  await fixture.target.rollback(input.restoreId, { partial: true });
  for (const place of partly)
    expect([place, await fixture.query(`SELECT 1 FROM ${place}`)]).toEqual([place, [expect.anything()]]);
  expect(await fixture.fingerprint("2")).toEqual(theirs);
  if (!since.includes("org_id = 2")) expect(theirs).toEqual(others);
});
