// A deleted record leaves rows behind whose references to it were set to NULL. When it comes back, these are set again.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { BackupContent, RestorePlanInput } from "../../src/ports/restore-target.ts";
import { createRestoreFixture, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TABLE orgs (id integer PRIMARY KEY, main_guest integer);
  CREATE TABLE tables (org_id integer NOT NULL REFERENCES orgs, no integer NOT NULL, PRIMARY KEY (org_id, no));
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, name text, table_no integer,
    brought_by integer REFERENCES guests ON DELETE SET NULL,
    FOREIGN KEY (org_id, table_no) REFERENCES tables ON DELETE SET NULL (table_no));
  ALTER TABLE orgs ADD FOREIGN KEY (main_guest) REFERENCES guests ON DELETE SET NULL;
  CREATE TABLE rides (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, car text, photo text,
    driver integer REFERENCES guests ON DELETE SET NULL, passenger integer REFERENCES guests ON DELETE SET NULL);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO tables VALUES (1, 1), (1, 2), (2, 1);
  INSERT INTO guests VALUES (1, 1, 'Anna', 1, NULL), (2, 1, 'Ben', 1, 1), (3, 1, 'Cleo', 2, 2), (9, 2, 'theirs', 1, NULL);
  UPDATE orgs SET main_guest = 1 WHERE id = 1;
  INSERT INTO rides VALUES (1, 1, 'red', 'red.jpg', 1, 2), (2, 1, 'blue', 'blue.jpg', 3, 1), (3, 1, 'green', 'green.jpg', 1, NULL), (4, 1, 'old', 'old.jpg', 1, NULL), (9, 2, 'theirs', 'theirs.jpg', 9, 9);
`;
const catalogue = catalogueOf(["public.orgs", "public.tables", "public.guests", "public.rides"], {});

describe("restoring a record that others referred to", () => {
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

  const plan = (table: string, key: readonly string[], more: Partial<RestorePlanInput> = {}) =>
    fixture.plan("1", backup, { selection: { dataSets: null, tables: null, records: [{ table, key }] }, ...more });
  const rides = async () =>
    (
      await fixture.query<{ r: string }>(
        "SELECT concat_ws(' ', id, car, 'd' || driver, 'p' || passenger) AS r FROM rides WHERE org_id = 1 ORDER BY id",
      )
    ).map(({ r }) => r);

  test("shows, sets and rolls back the references, and nothing else of their rows", async () => {
    await fixture.query("DELETE FROM guests WHERE id = 1");
    await fixture.query(
      "UPDATE rides SET car = 'yellow' WHERE id = 1; UPDATE rides SET driver = 3 WHERE id = 3; DELETE FROM rides WHERE id = 4",
    );
    const damaged = await fixture.rows("1");
    const input = plan("public.guests", ["1"]);
    await fixture.target.stage(input, () => {});
    const found = await fixture.target.diff(input);
    const counts = { missing: 0, liveOnly: 0, taken: 0, same: 0 };
    expect(found.find(({ table }) => table === "public.rides")).toEqual({
      table: "public.rides",
      ...counts,
      changed: 2,
    });
    const page = await fixture.target.readDifferences(input.restoreId, {
      table: null,
      kind: "changed",
      after: 0,
      limit: 9,
    });
    const shown = page.rows.map(({ table, key, differs }) => [table, key["id"], differs]);
    expect(shown.toSorted((a, b) => (a.join() < b.join() ? -1 : 1))).toEqual([
      ["public.guests", "2", ["brought_by"]],
      ["public.orgs", "1", ["main_guest"]],
      ["public.rides", "1", ["driver"]],
      ["public.rides", "2", ["passenger"]],
    ]);
    // Their files are left alone, too.
    expect(await fixture.target.readStagedPaths(input.restoreId, [{ table: "public.rides", column: "photo" }])).toEqual(
      [],
    );
    // Between the dry run and the apply somebody edits on.
    await fixture.query("UPDATE rides SET car = 'pink' WHERE id = 2");
    damaged["public.rides"] = (await fixture.rows("1"))["public.rides"] ?? [];
    const { result } = await restore(fixture, input);
    expect(result).toMatchObject({ applied: true });
    expect(await rides()).toEqual(["1 yellow d1 p2", "2 pink d3 p1", "3 green d3"]);
    const after = await fixture.rows("1");
    for (const table of ["public.orgs", "public.guests", "public.tables"]) expect(after[table]).toEqual(before[table]);
    expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await fixture.rows("1")).toEqual(damaged);
  });

  test("sets a reference of several columns, of which some were not emptied", async () => {
    await fixture.query("DELETE FROM tables WHERE org_id = 1 AND no = 1");
    const input = plan("public.tables", ["1", "1"]);
    await restore(fixture, input);
    expect(await fixture.rows("1")).toEqual(before);
    expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await fixture.query("SELECT id FROM guests WHERE org_id = 1 AND table_no IS NULL ORDER BY id")).toEqual([
      { id: 1 },
      { id: 2 },
    ]);
  });

  test("leaves a reference that was emptied while its record is there", async () => {
    await fixture.query("UPDATE rides SET driver = NULL WHERE id = 1; UPDATE guests SET name = 'Anne' WHERE id = 1");
    await restore(fixture, plan("public.guests", ["1"]));
    expect((await rides())[0]).toBe("1 red p2");
    expect(await fixture.query("SELECT name FROM guests WHERE id = 1")).toEqual([{ name: "Anna" }]);
  });

  test("leaves rows that another organization has now", async () => {
    await fixture.query("DELETE FROM guests WHERE id = 1");
    await fixture.query("UPDATE rides SET org_id = 2 WHERE id = 1");
    others = await fixture.fingerprint("2");
    await restore(fixture, plan("public.guests", ["1"]));
    expect((await rides())[0]).toBe("2 blue d3 p1");
  });

  test("brings a row that is both needed and cut loose only once", async () => {
    await fixture.query("DELETE FROM guests WHERE org_id = 1");
    // Cleo needs Ben, who needs Anna; Ben was Anna's to begin with.
    await fixture.query("INSERT INTO guests VALUES (1, 1, 'Anna', 1, NULL)");
    await restore(fixture, plan("public.guests", ["3"]));
    expect((await fixture.rows("1"))["public.guests"]).toEqual(before["public.guests"]);
    await fixture.query("DELETE FROM guests WHERE org_id = 1");
    const selection = {
      dataSets: null,
      tables: null,
      records: [1, 3].map((id) => ({ table: "public.guests", key: [String(id)] })),
    };
    await restore(fixture, fixture.plan("1", backup, { selection }));
    const after = await fixture.rows("1");
    expect(after["public.guests"]).toEqual(before["public.guests"]);
    // Ben is there again as a parent only: what referred to him is not looked for.
    expect(await rides()).toEqual(["1 red d1", "2 blue d3 p1", "3 green d1", "4 old d1"]);
  });

  test("skip sets none; with a later backup, none of a record that was removed after it", async () => {
    await fixture.query("UPDATE guests SET name = 'spoilt' WHERE id = 1");
    const mergeBase = await fixture.backUp("1");
    await fixture.query("DELETE FROM guests WHERE id = 1");
    await restore(fixture, plan("public.guests", ["1"], { strategy: "merge", mergeBase }));
    expect((await rides())[0]).toBe("1 red p2");
    await restore(fixture, plan("public.guests", ["1"], { strategy: "skip" }));
    expect((await rides())[0]).toBe("1 red p2");
    expect(await fixture.query("SELECT name FROM guests WHERE id = 1")).toEqual([{ name: "Anna" }]);
  });
});
