// Single records come back with what can't be without them, and with what they can't be without.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import type { RecordSelection } from "../../src/domain/restore-request.ts";
import { createRestoreFixture, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;
  CREATE TABLE orgs (id integer PRIMARY KEY, main_guest uuid);
  CREATE TABLE tables (org_id integer NOT NULL REFERENCES orgs, name public.citext NOT NULL, hall text, PRIMARY KEY (org_id, name));
  CREATE TABLE guests (id uuid PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, brought_by uuid REFERENCES guests,
    seat public.citext, notes text, FOREIGN KEY (org_id, seat) REFERENCES tables);
  ALTER TABLE orgs ADD FOREIGN KEY (main_guest) REFERENCES guests;
  CREATE TABLE gifts (id integer PRIMARY KEY, guest_id uuid NOT NULL REFERENCES guests ON DELETE CASCADE, what text);
  CREATE TABLE thanks (gift_id integer NOT NULL REFERENCES gifts ON DELETE CASCADE, words text);
  CREATE TABLE comments (id integer PRIMARY KEY, subject_type text NOT NULL, subject_id uuid NOT NULL, words text);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO tables VALUES (1, E'Tab\\tle "A"', 'big'), (1, 'B', 'small'), (2, 'B', 'theirs');
  INSERT INTO guests VALUES ('00000000-0000-0000-0000-00000000000a', 1, NULL, E'TAB\\tle "a"', 'vegan'),
    ('00000000-0000-0000-0000-00000000000b', 1, '00000000-0000-0000-0000-00000000000a', 'b', 'nuts'),
    ('00000000-0000-0000-0000-00000000000c', 1, '00000000-0000-0000-0000-00000000000b', NULL, NULL),
    ('00000000-0000-0000-0000-0000000000ff', 2, NULL, NULL, 'theirs');
  UPDATE orgs SET main_guest = '00000000-0000-0000-0000-00000000000c' WHERE id = 1;
  INSERT INTO gifts VALUES (1, '00000000-0000-0000-0000-00000000000a', 'spoons'), (2, '00000000-0000-0000-0000-00000000000b', 'forks'), (9, '00000000-0000-0000-0000-0000000000ff', 'knives');
  INSERT INTO thanks VALUES (1, 'dear'), (1, 'dear'), (2, 'oh');
  INSERT INTO comments VALUES (1, 'guest', '00000000-0000-0000-0000-00000000000a', 'about a'), (2, 'guest', '00000000-0000-0000-0000-00000000000b', 'about b');
`;
const names = ["public.orgs", "public.tables", "public.guests", "public.gifts", "public.thanks", "public.comments"];
const catalogue = catalogueOf(names, {
  polymorphic: [
    {
      table: "public.comments",
      typeColumn: "subject_type",
      idColumn: "subject_id",
      targets: { guest: "public.guests" },
    },
  ],
});
const guest = (letter: string): RecordSelection => ({
  table: "public.guests",
  key: [`00000000-0000-0000-0000-00000000000${letter}`],
});

describe("restoring single records", () => {
  let fixture: RestoreFixture;
  let backup: BackupContent;
  let before: Record<string, string[]>;
  let others: Record<string, string>;
  beforeEach(async () => {
    fixture = await createRestoreFixture(schemaSql, catalogue);
    [backup, before, others] = [await fixture.backUp("1"), await fixture.rows("1"), await fixture.fingerprint("2")];
  });
  afterEach(async () => {
    expect(await fixture.fingerprint("2")).toEqual(others);
    await fixture.drop();
  });

  const plan = (...records: RecordSelection[]) =>
    fixture.plan("1", backup, { selection: { dataSets: null, tables: null, records }, liveOnly: "mirror" });
  const wipe = () =>
    fixture.query(
      "UPDATE orgs SET main_guest = NULL WHERE id = 1; DELETE FROM comments; DELETE FROM gifts WHERE id < 9; DELETE FROM guests WHERE org_id = 1; DELETE FROM tables WHERE org_id = 1",
    );

  test("brings dependants of dependants, also those without key and polymorphic ones, and no other record", async () => {
    await wipe();
    const input = plan(guest("a"));
    await restore(fixture, input);
    const after = await fixture.rows("1");
    expect(after["public.guests"]).toEqual([before["public.guests"]?.find((row) => row.includes("vegan"))]);
    expect(after["public.tables"]).toEqual([before["public.tables"]?.find((row) => row.includes("big"))]);
    expect(after["public.gifts"]).toEqual([before["public.gifts"]?.find((row) => row.includes("spoons"))]);
    expect(after["public.thanks"]).toEqual(before["public.thanks"]?.filter((row) => row.includes("dear")));
    expect(after["public.comments"]).toEqual([before["public.comments"]?.find((row) => row.includes("about a"))]);
    expect(after["public.orgs"]).toEqual(["(1,)"]);
    expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect((await fixture.rows("1"))["public.guests"]).toEqual([]);
  });

  test("brings parents of parents where they are missing, without their dependants", async () => {
    await wipe();
    await restore(fixture, plan(guest("c")));
    const after = await fixture.rows("1");
    expect(after["public.guests"]).toEqual(before["public.guests"]);
    expect(after["public.tables"]).toEqual(before["public.tables"]);
    expect(after["public.gifts"]).toEqual([]);
    expect(after["public.thanks"]).toEqual([]);
    expect(after["public.comments"]).toEqual([]);
  });

  test("leaves parents that are there as they are, and everything else, also with mirror", async () => {
    await fixture.query(
      "UPDATE tables SET hall = 'newer' WHERE org_id = 1; UPDATE guests SET notes = 'newer' WHERE org_id = 1",
    );
    await fixture.query("INSERT INTO gifts VALUES (5, '00000000-0000-0000-0000-00000000000a', 'made since')");
    await restore(fixture, plan(guest("b")));
    expect(await fixture.query("SELECT DISTINCT hall FROM tables WHERE org_id = 1")).toEqual([{ hall: "newer" }]);
    expect(await fixture.query("SELECT notes FROM guests WHERE org_id = 1 ORDER BY id")).toEqual([
      { notes: "newer" },
      { notes: "nuts" },
      { notes: "newer" },
    ]);
    expect(await fixture.query("SELECT id FROM gifts WHERE what = 'made since'")).toEqual([{ id: 5 }]);
  });

  // Guests are deleted with all that hangs on them, as an app does it that forgets the comments.
  const deleteGuests = () =>
    fixture.query(
      "UPDATE orgs SET main_guest = NULL WHERE id = 1; DELETE FROM gifts WHERE id < 9; DELETE FROM guests WHERE org_id = 1",
    );

  test("finds what the record left behind: no conflict, and it is the organization's again", async () => {
    await fixture.query(
      "INSERT INTO comments SELECT 3, subject_type, subject_id, 'made since' FROM comments WHERE id = 1",
    );
    await deleteGuests();
    await fixture.query("DELETE FROM comments WHERE id = 2");
    const input = plan(guest("a"), guest("b"));
    await fixture.target.stage(input, () => {});
    const comments = (await fixture.target.diff(input)).find((each) => each.table === "public.comments");
    expect(comments).toEqual({ table: "public.comments", missing: 1, changed: 0, same: 1, liveOnly: 0, taken: 0 });
    await restore(fixture, input);
    const all = ["1 about a", "2 about b", "3 made since"];
    const read = async () =>
      (await fixture.query<{ c: string }>("SELECT id || ' ' || words AS c FROM comments ORDER BY id")).map(
        ({ c }) => c,
      );
    expect(await read()).toEqual(all);
    expect((await fixture.rows("1"))["public.comments"]).toHaveLength(3);
    expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await read()).toEqual([all[0], all[2]]);
    expect((await fixture.rows("1"))["public.guests"]).toEqual([]);
  });

  test("overwrites what the record left behind and somebody changed, and a rollback brings the change back", async () => {
    await fixture.query("UPDATE comments SET words = 'changed since' WHERE id = 1");
    await deleteGuests();
    const input = plan(guest("a"));
    await restore(fixture, input);
    const words = "SELECT words FROM comments WHERE id = 1";
    expect(await fixture.query(words)).toEqual([{ words: "about a" }]);
    expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await fixture.query(words)).toEqual([{ words: "changed since" }]);
  });

  test("does not take what hangs on a record of another organization that has its id now", async () => {
    await deleteGuests();
    await fixture.query("INSERT INTO guests VALUES ('00000000-0000-0000-0000-00000000000a', 2)");
    others = await fixture.fingerprint("2");
    const input = plan(guest("a"));
    await fixture.target.stage(input, () => {});
    const found = await fixture.target.diff(input);
    expect(found.find((each) => each.table === "public.comments")).toMatchObject({ same: 0, taken: 1 });
    expect(
      (
        await fixture.target.readDifferences(input.restoreId, { table: null, kind: "taken", after: 0, limit: 9 })
      ).rows.every(({ live }) => live === null),
    ).toBe(true);
    await expect(restore(fixture, input)).rejects.toMatchObject({ code: "RestoreConflict" });
  });

  test("takes keys as people write them, and those of several columns", async () => {
    await wipe();
    await restore(fixture, plan({ table: "public.guests", key: ["{00000000-0000-0000-0000-00000000000B}"] }));
    expect((await fixture.rows("1"))["public.gifts"]).toEqual([
      before["public.gifts"]?.find((row) => row.includes("forks")),
    ]);
    await fixture.query("UPDATE tables SET hall = 'x' WHERE org_id = 1");
    await restore(fixture, plan({ table: "public.tables", key: ["1", 'TAB\tLE "A"'] }));
    expect(await fixture.query("SELECT hall FROM tables WHERE org_id = 1 ORDER BY hall")).toEqual([
      { hall: "big" },
      { hall: "x" },
    ]);
  });

  test.each([
    ["that the backup does not have", { table: "public.gifts", key: ["77"] }],
    ["of another organization", { table: "public.gifts", key: ["9"] }],
    ["with a key of another form", { table: "public.gifts", key: ["secret-name"] }],
    ["with too many key parts", { table: "public.gifts", key: ["1", "1"] }],
    ["of a table without primary key", { table: "public.thanks", key: ["1"] }],
    ["of no table", { table: "public.nothing", key: ["1"] }],
  ])("refuses a record %s, and does not repeat its key", async (_, record) => {
    const failure = await restore(fixture, plan(record)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "UsageInvalid" });
    expect(String(failure)).not.toMatch(/77|secret-name/);
    expect(await fixture.rows("1")).toEqual(before);
  });
});
