// What the database itself does to rows when others go: SET DEFAULT, SET NULL, CASCADE. A restore brings back what they
// took, and never makes them take more, whether its role may let triggers rest or not.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { BackupContent, RestorePlanInput } from "../../src/ports/restore-target.ts";
import { asPlainRole } from "../support/as-plain-role.ts";
import { createRestoreFixture, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE menus (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, dish text, code text UNIQUE);
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, name text,
    menu_id integer NOT NULL DEFAULT 10 REFERENCES menus ON DELETE SET DEFAULT,
    second_menu integer DEFAULT '10' REFERENCES menus ON DELETE SET DEFAULT,
    wish integer REFERENCES menus ON DELETE SET NULL);
  CREATE TABLE notes (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, guest_id integer REFERENCES guests ON DELETE CASCADE,
    menu_code text REFERENCES menus (code) ON UPDATE CASCADE, text text);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO menus VALUES (10, 1, 'the usual', 'U'), (11, 1, 'fish', 'F'), (12, 1, 'vegan', 'V'), (20, 2, 'theirs', 'T');
  INSERT INTO guests VALUES (1, 1, 'Anna', 11, 12, 11), (2, 1, 'Ben', 10, 11, NULL), (3, 1, 'Cleo', 12, 10, 11), (9, 2, 'theirs', 20, 20, 20);
  INSERT INTO notes VALUES (1, 1, 1, 'F', 'Anna'), (2, 1, 2, NULL, 'Ben'), (9, 2, 9, 'T', 'theirs');
`;
const tables = ["public.orgs", "public.menus", "public.guests", "public.notes"];

describe.each(["may", "may not"] as const)("for a role that %s let triggers rest", (what) => {
  let fixture: RestoreFixture;
  let backup: BackupContent;
  let before: Record<string, string[]>;
  let others: Record<string, string>;
  beforeEach(async () => {
    fixture = await createRestoreFixture(schemaSql, catalogueOf(tables));
    [backup, before, others] = [await fixture.backUp("1"), await fixture.rows("1"), await fixture.fingerprint("2")];
  });
  afterEach(async () => {
    expect(await fixture.fingerprint("2")).toEqual(others);
    await fixture.drop();
  });

  const run = <T>(work: (fixture: RestoreFixture) => Promise<T>): Promise<T> =>
    what === "may" ? work(fixture) : asPlainRole(fixture, work);
  const record = (key: string, more: Partial<RestorePlanInput> = {}) =>
    fixture.plan("1", backup, {
      selection: { dataSets: null, tables: null, records: [{ table: "public.menus", key: [key] }] },
      ...more,
    });
  const guests = async () =>
    (
      await fixture.query<{ g: string }>(
        "SELECT concat_ws(' ', id, name, menu_id, coalesce(second_menu::text, '-'), coalesce(wish::text, '-')) AS g FROM guests WHERE org_id = 1 ORDER BY id",
      )
    ).map(({ g }) => g);

  test("a record comes back, and links that got their default or NULL are set again, and nothing else", () =>
    run(async (by) => {
      await fixture.query("UPDATE notes SET menu_code = NULL WHERE id = 1; DELETE FROM menus WHERE id = 11");
      expect(await guests()).toEqual(["1 Anna 10 12 -", "2 Ben 10 10 -", "3 Cleo 12 10 -"]);
      // Since then: Anna has another name, and Cleo a wish of her own.
      await fixture.query("UPDATE guests SET name = 'Anne' WHERE id = 1; UPDATE guests SET wish = 12 WHERE id = 3");
      const damaged = await fixture.rows("1");
      const input = record("11");
      const { differences } = await restore(by, input);
      expect(differences.find(({ table }) => table === "public.guests")).toMatchObject({ missing: 0, changed: 2 });
      expect(await guests()).toEqual(["1 Anne 11 12 11", "2 Ben 10 11 -", "3 Cleo 12 10 12"]);
      expect(await by.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
      expect(await fixture.rows("1")).toEqual(damaged);
    }));

  test("everything comes back: rows, and the links between them", () =>
    run(async (by) => {
      await fixture.query("UPDATE notes SET menu_code = NULL; UPDATE notes SET menu_code = 'T' WHERE id = 9");
      await fixture.query("DELETE FROM guests WHERE id = 2; DELETE FROM menus WHERE id IN (11, 12)");
      others = await fixture.fingerprint("2");
      const damaged = await fixture.rows("1");
      const input = fixture.plan("1", backup);
      await restore(by, input);
      expect(await fixture.rows("1")).toEqual(before);
      expect(await by.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
      expect(await fixture.rows("1")).toEqual(damaged);
    }));

  test.each([
    [
      "CASCADE",
      "INSERT INTO guests VALUES (4, 1, 'new', 10, 10, NULL); INSERT INTO notes VALUES (4, 1, 4, NULL, 'of the new one')",
      "public.guests",
    ],
    [
      "SET NULL",
      "INSERT INTO menus VALUES (13, 1, 'new', 'N'); UPDATE guests SET wish = 13 WHERE id = 2",
      "public.menus",
    ],
    [
      "SET DEFAULT",
      "INSERT INTO menus VALUES (13, 1, 'new', 'N'); UPDATE guests SET menu_id = 13 WHERE id = 2",
      "public.menus",
    ],
  ])("a mirror of one table is refused where %s would touch rows of another", (_, newer, table) =>
    run(async (by) => {
      await fixture.query(newer);
      const live = await fixture.fingerprint("1");
      const selection = { dataSets: null, tables: [table], records: null };
      const mirrored = restore(by, fixture.plan("1", backup, { selection, liveOnly: "mirror" }));
      await expect(mirrored).rejects.toMatchObject({
        code: "RestoreInvalid",
        message: expect.stringMatching(/1 rows of public\.\w+ still need rows of public\.\w+ that would go/),
      });
      expect(await fixture.fingerprint("1")).toEqual(live);
      // Both are mirrored: then nothing is left that needs them.
      await restore(by, fixture.plan("1", backup, { liveOnly: "mirror" }));
      expect(await fixture.rows("1")).toEqual(before);
    }),
  );

  test("a decision to keep a row whose parent is to go is refused, and keeps both", () =>
    run(async (by) => {
      await fixture.query(
        "INSERT INTO guests VALUES (4, 1, 'new', 10, 10, NULL); INSERT INTO notes VALUES (4, 1, 4, NULL, 'keep this')",
      );
      const live = await fixture.fingerprint("1");
      const input = fixture.plan("1", backup, { strategy: "prompt", liveOnly: "mirror" });
      await by.target.stage(input, () => {});
      await by.target.diff(input);
      await by.target.decideRest(input.restoreId, { table: "public.guests", decision: "take backup" });
      await by.target.decideRest(input.restoreId, { table: "public.notes", decision: "keep live" });
      const options = { strategy: "prompt", liveOnly: "mirror", defaultDecision: null } as const;
      await expect(by.target.apply(input, options)).rejects.toMatchObject({ code: "RestoreInvalid" });
      expect(await fixture.fingerprint("1")).toEqual(live);
    }));

  test("a value that others refer to is not changed under them by ON UPDATE CASCADE", () =>
    run(async (by) => {
      await fixture.query("UPDATE menus SET code = 'F2' WHERE id = 11");
      await fixture.query("INSERT INTO notes VALUES (5, 1, NULL, 'F2', 'newer')");
      const live = await fixture.fingerprint("1");
      const selection = { dataSets: null, tables: ["public.menus"], records: null };
      await expect(restore(by, fixture.plan("1", backup, { selection }))).rejects.toMatchObject({
        code: "RestoreInvalid",
      });
      expect(await fixture.fingerprint("1")).toEqual(live);
    }));
});
