// Exclusion constraints: no two bookings of a room may overlap, whoever's they are. Checked at once, or at the end by a
// trigger, which rests while a restore writes; either way nothing comes back that the database itself would have refused.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { Client } from "pg";
import type { BackupContent } from "../../src/ports/restore-target.ts";
import { asPlainRole } from "../support/as-plain-role.ts";
import { applyWhileOthers } from "../support/apply-while-others.ts";
import { createRestoreFixture, optionsOf, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

// Ranges of one number stand for btree_gist, which not every server has.
const schemaSql = (when: string): string => `
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE bookings (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, room integer NOT NULL, during int4range,
    note text, CONSTRAINT one_at_a_time EXCLUDE USING gist (int4range(room, room, '[]') WITH =, during WITH &&) WHERE (note IS DISTINCT FROM 'maybe') ${when});
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO bookings VALUES (1, 1, 1, '[1,5)', 'a'), (2, 1, 1, '[5,9)', 'b'), (3, 1, 2, '[1,9)', 'c'), (20, 2, 3, '[1,9)', 'theirs')`;

const overlapsSql = `
  SELECT a.id, b.id AS other FROM bookings a JOIN bookings b ON a.id < b.id AND a.room = b.room AND a.during && b.during
  WHERE a.note IS DISTINCT FROM 'maybe' AND b.note IS DISTINCT FROM 'maybe'`;

let fixture: RestoreFixture;
let backup: BackupContent;

const open = async (when: string): Promise<void> => {
  fixture = await createRestoreFixture(schemaSql(when), catalogueOf(["public.orgs", "public.bookings"]));
  backup = await fixture.backUp("1");
};
afterEach(() => fixture.drop());

const stay = async (id: number): Promise<void> => {
  expect(await fixture.query(overlapsSql)).toEqual([]);
  expect(await fixture.query("SELECT id FROM bookings WHERE id = $1", [id])).toEqual([{ id }]);
};

describe.each([
  ["checked at once", ""],
  ["checked at the end", "DEFERRABLE INITIALLY DEFERRED"],
])("%s", (_when, when) => {
  beforeEach(() => open(when));

  test("a row whose time somebody else took is shown, refused by name, and can be left out", async () => {
    await fixture.query("DELETE FROM bookings WHERE id = 1; INSERT INTO bookings VALUES (21, 2, 1, '[4,5)', 'theirs')");
    const input = fixture.plan("1", backup);
    await fixture.target.stage(input, () => {});
    const differences = await fixture.target.diff(input);
    expect(differences).toContainEqual(expect.objectContaining({ table: "public.bookings", missing: 0, taken: 1 }));
    await expect(fixture.target.apply(input, optionsOf("overwrite"))).rejects.toMatchObject({
      code: "RestoreConflict",
      details: { tables: ["public.bookings: 1 rows"] },
    });
    await stay(21);
    const asked = fixture.plan("1", backup, { strategy: "prompt" });
    await fixture.target.stage(asked, () => {});
    await fixture.target.diff(asked);
    expect(await fixture.target.apply(asked, optionsOf("prompt", "keep", "keep live"))).toMatchObject({
      applied: true,
    });
    await stay(21);
  });

  test("what overlaps no more by the constraint's own condition comes back", async () => {
    await fixture.query("DELETE FROM bookings WHERE id = 1; INSERT INTO bookings VALUES (21, 2, 1, '[4,5)', 'maybe')");
    expect((await restore(fixture, fixture.plan("1", backup))).result).toMatchObject({ applied: true });
    await stay(1);
  });

  const moved = `BEGIN; DELETE FROM bookings WHERE id < 3;
    INSERT INTO bookings VALUES (1, 1, 1, '[3,9)', 'a'), (2, 1, 1, '[1,3)', 'b'), (4, 1, 1, '[10,12)', 'new'); COMMIT`;
  const restoreAndRollBack = async (by: RestoreFixture, triggers: string): Promise<void> => {
    await fixture.query(moved);
    const damaged = await fixture.rows("1");
    const input = fixture.plan("1", backup, { liveOnly: "mirror" });
    const { result } = await restore(by, input);
    expect(result).toMatchObject({ applied: true, proofs: expect.arrayContaining([triggers]) });
    await stay(2);
    await by.target.rollback(input.restoreId, { partial: false });
    expect(await fixture.rows("1")).toEqual(damaged);
  };

  test("times that move among the organization's own rows come back, and go again by a rollback", () =>
    restoreAndRollBack(fixture, "triggers rested"));

  test("they do so, too, where triggers run", () =>
    asPlainRole(fixture, (plain) => restoreAndRollBack(plain, "triggers ran")));

  test("a rollback brings no row back into a time that somebody took since", async () => {
    await fixture.query("INSERT INTO bookings VALUES (4, 1, 1, '[10,12)', 'new')");
    const input = fixture.plan("1", backup, { liveOnly: "mirror" });
    await restore(fixture, input);
    await fixture.query("INSERT INTO bookings VALUES (21, 2, 1, '[11,20)', 'theirs')");
    await expect(fixture.target.rollback(input.restoreId, { partial: false })).rejects.toMatchObject({
      code: "RollbackRefused",
      details: { refused: ["public.bookings: 1 rows changed since"] },
    });
    await stay(21);
  });

  test("a copy whose times overlap with the organization's own is refused by name", async () => {
    const input = fixture.plan("1", backup, { targetOrganizationId: "9" });
    await fixture.query(
      "CREATE SEQUENCE booking_ids START 100 OWNED BY bookings.id; ALTER TABLE bookings ALTER id SET DEFAULT nextval('booking_ids')",
    );
    await fixture.target.stage(input, () => {});
    await fixture.target.diff(input);
    await expect(fixture.target.apply(input, optionsOf("overwrite"))).rejects.toMatchObject({
      code: "RestoreConflict",
      details: { tables: ["public.bookings: 3 rows"] },
    });
    await stay(3);
    await fixture.query("DELETE FROM bookings WHERE org_id = 1");
    const free = fixture.plan("1", backup, { targetOrganizationId: "10" });
    expect((await restore(fixture, free)).result).toMatchObject({ applied: true });
    expect(await fixture.query("SELECT 1 FROM bookings WHERE org_id = 10")).toHaveLength(3);
  });

  test("a merge fills in no time that another row has", async () => {
    await fixture.query(
      "UPDATE bookings SET during = NULL WHERE id = 2; INSERT INTO bookings VALUES (9, 1, 1, '[6,7)', 'new')",
    );
    const input = fixture.plan("1", backup, { strategy: "merge" });
    await fixture.target.stage(input, () => {});
    await expect(fixture.target.apply(input, optionsOf("merge"))).rejects.toMatchObject({ code: "RestoreConflict" });
    await stay(9);
  });
});

test("where triggers run, a value is not set aside for one that excludes more rows still: the grant is asked for", async () => {
  const span = (short: string, long: string): string => `CASE WHEN length(word) < 10 THEN ${short} ELSE ${long} END`;
  fixture = await createRestoreFixture(
    `CREATE TABLE orgs (id integer PRIMARY KEY);
     CREATE TABLE words (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, word text NOT NULL,
       CONSTRAINT long_ones_alone EXCLUDE USING gist (int4range(${span("length(word)", "0")}, ${span("length(word) + 1", "99")}) WITH &&));
     INSERT INTO orgs VALUES (1);
     INSERT INTO words VALUES (1, 1, 'a'), (2, 1, 'bb'), (3, 1, 'ccc')`,
    catalogueOf(["public.orgs", "public.words"]),
  );
  backup = await fixture.backUp("1");
  await fixture.query("DELETE FROM words WHERE id = 2; UPDATE words SET word = 'bb' WHERE id = 1");
  await asPlainRole(fixture, async (plain) => {
    const restoring = restore(plain, fixture.plan("1", backup));
    await expect(restoring).rejects.toMatchObject({
      code: "RestoreTargetRefused",
      details: { constraint: "long_ones_alone" },
    });
  });
  expect((await restore(fixture, fixture.plan("1", backup))).result).toMatchObject({ applied: true });
});

describe("others who commit meanwhile, where it is checked at the end", () => {
  let holder: Client;
  beforeEach(async () => {
    await open("DEFERRABLE INITIALLY DEFERRED");
    holder = new Client({ connectionString: fixture.database.url });
    await holder.connect();
    await fixture.query("DELETE FROM bookings WHERE id = 1; INSERT INTO bookings VALUES (8, 1, 8, '[1,2)', 'new')");
  });
  afterEach(() => holder.end());

  const lockSql = "SELECT 1 FROM bookings WHERE id = 8 FOR UPDATE"; // rows that go are the first
  const applyBeside = (others: string) =>
    applyWhileOthers(fixture, holder, fixture.plan("1", backup, { liveOnly: "mirror" }), { lockSql, others });

  test("a time that is taken meanwhile is seen, and refused", async () => {
    const applying = applyBeside("INSERT INTO bookings VALUES (21, 2, 1, '[4,5)', 'theirs')");
    await expect(applying).rejects.toMatchObject({ code: "RestoreConflict" });
    await stay(21);
  });

  test("another time that is taken meanwhile is no matter", async () => {
    const result = await applyBeside("INSERT INTO bookings VALUES (21, 2, 1, '[20,25)', 'theirs')");
    expect(result).toMatchObject({
      applied: true,
      proofs: expect.arrayContaining(["1 deferrable unique and exclusion constraints"]),
    });
    await stay(21);
    await stay(1);
  });
});
