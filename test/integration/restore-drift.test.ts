// The live schema moved on since the backup: each kind of drift is handled, or refused by name before a row is touched.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { BackupContent, RestorePlanInput } from "../../src/ports/restore-target.ts";
import { createRestoreFixture, restore, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE TYPE mood AS ENUM ('happy', 'sad');
  CREATE TABLE orgs (id integer PRIMARY KEY);
  CREATE TABLE guests (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs, name text, points numeric(12,4), feels mood, code integer);
  CREATE TABLE extras (id integer PRIMARY KEY, org_id integer NOT NULL REFERENCES orgs);
  INSERT INTO orgs VALUES (1), (2);
  INSERT INTO guests VALUES (1, 1, 'Anna', 1.2500, 'happy', 11), (2, 1, NULL, 2, 'sad', 22), (9, 2, 'theirs', 1, 'happy', 99);
`;

describe("a restore over a schema that moved on", () => {
  let fixture: RestoreFixture;
  let backup: BackupContent;
  beforeEach(async () => {
    fixture = await createRestoreFixture(schemaSql, catalogueOf(["public.orgs", "public.guests", "public.extras"]));
    backup = await fixture.backUp("1");
  });
  afterEach(() => fixture.drop());

  const lose = () => fixture.query("DELETE FROM guests WHERE org_id = 1");
  const guests = (columns: string) =>
    fixture.query(`SELECT ${columns} FROM guests WHERE org_id = 1 ORDER BY guests.id`);

  const handled: [string, string, string, Partial<RestorePlanInput>, string, unknown[]][] = [
    [
      "column added",
      "ALTER TABLE guests ADD diet text DEFAULT 'any'",
      "diet",
      {},
      "diet",
      [{ diet: "any" }, { diet: "any" }],
    ],
    ["column dropped", "ALTER TABLE guests DROP code", "code", {}, "name", [{ name: "Anna" }, { name: null }]],
    [
      "column renamed",
      "ALTER TABLE guests RENAME name TO full_name",
      "name",
      { renamedColumns: { "public.guests.name": "full_name" } },
      "full_name",
      [{ full_name: "Anna" }, { full_name: null }],
    ],
    [
      "column retyped",
      "ALTER TABLE guests ALTER code TYPE bigint",
      "code",
      {},
      "code::text",
      [{ code: "11" }, { code: "22" }],
    ],
    [
      "generated changed",
      "ALTER TABLE guests DROP code; ALTER TABLE guests ADD code integer GENERATED ALWAYS AS (id * 2) STORED",
      "code",
      {},
      "code",
      [{ code: 2 }, { code: 4 }],
    ],
    [
      "column became NOT NULL",
      "DELETE FROM guests WHERE code IS NULL; ALTER TABLE guests ALTER code SET NOT NULL",
      "code",
      {},
      "code",
      [{ code: 11 }, { code: 22 }],
    ],
  ];
  test.each(handled)("%s: handled", async (what, migration, column, more, columns, expected) => {
    await lose();
    await fixture.query(migration);
    const theirs = await fixture.fingerprint("2");
    const input = fixture.plan("1", backup, more);
    expect(await fixture.target.checkDrift(input)).toContainEqual(
      expect.objectContaining({ table: "public.guests", column, what, effect: "handled" }),
    );
    await restore(fixture, input);
    expect(await guests(columns)).toEqual(expected);
    expect(await fixture.target.rollback(input.restoreId, { partial: false })).toMatchObject({ refused: [] });
    expect(await guests("id")).toEqual([]);
    expect(await fixture.fingerprint("2")).toEqual(theirs);
  });

  test("column added, NULL where rows exist: their values stay when others are overwritten", async () => {
    await fixture.query("ALTER TABLE guests ADD diet text; UPDATE guests SET diet = 'vegan', code = 0 WHERE id = 1");
    await restore(fixture, fixture.plan("1", backup));
    expect(await guests("diet, code")).toEqual([
      { diet: "vegan", code: 11 },
      { diet: null, code: 22 },
    ]);
  });

  test("key changed, and rows are unique by the new one: handled", async () => {
    await fixture.query(
      "DELETE FROM guests; ALTER TABLE guests DROP CONSTRAINT guests_pkey, ADD PRIMARY KEY (org_id, id)",
    );
    await restore(fixture, fixture.plan("1", backup));
    expect(await guests("id")).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test("table gone that holds no row of the organization: handled", async () => {
    await lose();
    await fixture.query("DROP TABLE extras");
    await restore(fixture, fixture.plan("1", backup));
    expect(await guests("id")).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test.each([
    [
      "column added",
      "ALTER TABLE guests ADD diet text; UPDATE guests SET diet = 'any'; ALTER TABLE guests ALTER diet SET NOT NULL",
    ],
    ["column retyped", "ALTER TABLE guests ALTER points TYPE numeric(12,1)"],
    ["column retyped", "ALTER TABLE guests ALTER name TYPE varchar(3) USING left(name, 3)"],
    ["column became NOT NULL", "ALTER TABLE guests ALTER name SET NOT NULL"],
    [
      "enum value gone",
      "ALTER TYPE mood RENAME TO old; CREATE TYPE mood AS ENUM ('happy'); ALTER TABLE guests ALTER feels TYPE mood USING feels::text::mood; DROP TYPE old",
    ],
    ["table gone", "DROP TABLE guests"],
    ["key changed", "ALTER TABLE guests DROP CONSTRAINT guests_pkey; ALTER TABLE guests ADD other serial PRIMARY KEY"],
  ])("%s: refused by name where it would lose or invent data (%s)", async (what, migration) => {
    await lose();
    await fixture.query(migration);
    const input = fixture.plan("1", backup);
    const [ours, theirs] = [
      await fixture.fingerprint("1").catch(() => null),
      await fixture.fingerprint("2").catch(() => null),
    ];
    await expect(restore(fixture, input)).rejects.toMatchObject({
      code: "SchemaDrifted",
      details: { differences: expect.arrayContaining([expect.stringContaining(`: ${what}: `)]) },
    });
    expect(await fixture.fingerprint("1").catch(() => null)).toEqual(ours);
    expect(await fixture.fingerprint("2").catch(() => null)).toEqual(theirs);
  });
});
