// An organization restored as another one: the copy is the organization with other keys, and nobody else is touched.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { BackupContent, RestorePlanInput } from "../../src/ports/restore-target.ts";
import { createWeddingsFixture, optionsOf, type RestoreFixture } from "../support/restore-fixture.ts";

const uuids = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

let fixture: RestoreFixture;
let organization: string;
let others: string[];
let backup: BackupContent;
let everyoneBefore: Record<string, string>[];

beforeAll(async () => {
  ({ fixture, organization, others, backup } = await createWeddingsFixture(6));
  everyoneBefore = await everyone();
});
afterAll(() => fixture.drop());

const everyone = () => Promise.all([organization, ...others].map((each) => fixture.fingerprint(each)));
const schemaOf = ({ restoreId }: RestorePlanInput): string => `wedsync_restore_${restoreId.replaceAll("-", "")}`;
const cloneOf = (more: Partial<RestorePlanInput> = {}): RestorePlanInput =>
  fixture.plan(organization, backup, { targetOrganizationId: randomUUID(), ...more });

/** Old → new; numbers are the same in many tables, and are told by "schema.table.column number". */
async function readMap(input: RestorePlanInput): Promise<Map<string, string>> {
  const rows = await fixture.query<{ old: string; new: string }>(
    `SELECT old, new FROM ${schemaOf(input)}.keys WHERE old !~ '^[0-9]+$' UNION SELECT old, new FROM ${schemaOf(input)}.paths
     UNION ALL SELECT space || ' ' || old, new::text FROM wedsync_restore.clone_numbers WHERE restore_id = $1`,
    [input.restoreId],
  );
  return new Map(rows.map((row) => [row.old, row.new]));
}

/** The rows that the copy must have, by the map. */
async function expectedRows(map: ReadonlyMap<string, string>): Promise<Record<string, string[]>> {
  const mapped = (old: string): string => map.get(old) ?? `not mapped: ${old}`;
  const mapRow = (table: string, text: string): string => {
    const row = text.replaceAll(uuids, mapped);
    if (table === "public.organizations") return row.replace(/,(org-[^,]+)/, (_, slug: string) => `,${mapped(slug)}`);
    if (!/^public\.(dietary_needs|payments)$/.test(table)) return row;
    return row.replace(/^\((\d+)/, (_, id: string) => `(${mapped(`${table}.id ${id}`)}`);
  };
  const rows = await fixture.rows(organization);
  return sorted(
    Object.fromEntries(Object.entries(rows).map(([table, texts]) => [table, texts.map((text) => mapRow(table, text))])),
  );
}
const sorted = (rows: Record<string, string[]>) =>
  Object.fromEntries(Object.entries(rows).map(([table, texts]) => [table, texts.toSorted()]));

test("a copy is the organization with other keys; twice gives two; a rollback removes one exactly", async () => {
  const [first, second] = [cloneOf(), cloneOf()];
  for (const input of [first, second]) {
    const { notes } = await fixture.target.stage(input, () => {});
    expect(notes.join()).toContain("public.payments.id");
    const map = await readMap(input);
    const differences = await fixture.target.diff(input);
    for (const { changed, same, liveOnly, taken } of differences)
      expect([changed, same, liveOnly, taken]).toEqual([0, 0, 0, 0]);
    await fixture.target.apply(input, optionsOf("overwrite"));
    const copy = sorted(await fixture.rows(input.targetOrganizationId));
    expect(copy).toEqual(await expectedRows(map));
    expect(new Set(map.values()).size).toBe(map.size);
    await fixture.target.dropStaging(input.restoreId);
    expect(await everyone()).toEqual(everyoneBefore);
  }
  const kept = await fixture.fingerprint(second.targetOrganizationId);
  expect(await fixture.target.rollback(first.restoreId, { partial: false })).toMatchObject({ refused: [] });
  const gone = await fixture.rows(first.targetOrganizationId);
  expect(Object.values(gone).flat()).toEqual([]);
  expect(await fixture.fingerprint(second.targetOrganizationId)).toEqual(kept);
  expect(await everyone()).toEqual(everyoneBefore);
});

test("a stage that is repeated gives the same keys, also after staging was lost; and another restore gives others", async () => {
  const input = cloneOf();
  await fixture.target.stage(input, () => {});
  const map = await readMap(input);
  await fixture.target.stage(input, () => {});
  expect(await readMap(input)).toEqual(map);
  // As a crash of Postgres leaves it: unlogged tables are empty.
  await fixture.query(`TRUNCATE ${schemaOf(input)}.marker, ${schemaOf(input)}.keys`);
  await fixture.target.apply(input, optionsOf("overwrite"));
  expect(await readMap(input)).toEqual(map);
  expect(sorted(await fixture.rows(input.targetOrganizationId))).toEqual(await expectedRows(map));
  const again = await fixture.target.apply(input, optionsOf("overwrite"));
  expect(again).toMatchObject({ applied: true });
  const other = cloneOf();
  await fixture.target.stage(other, () => {});
  const otherMap = await readMap(other);
  expect([...otherMap.values()].filter((value) => [...map.values()].includes(value))).toEqual([]);
  for (const each of [input, other]) await fixture.target.dropStaging(each.restoreId);
  expect(await fixture.query("SELECT * FROM wedsync_restore.clones, wedsync_restore.clone_numbers")).toEqual([]);
  await fixture.target.rollback(input.restoreId, { partial: false });
  expect(await everyone()).toEqual(everyoneBefore);
});

test("an organization that is there is not copied into, nor one that comes while it is thought about", async () => {
  const there = cloneOf({ targetOrganizationId: others[0] ?? "" });
  await expect(fixture.target.stage(there, () => {})).rejects.toMatchObject({ code: "CloneRefused" });
  for (const odd of ["not a uuid", organization.toUpperCase()])
    await expect(fixture.target.stage(cloneOf({ targetOrganizationId: odd }), () => {})).rejects.toMatchObject({
      code: "OrganizationInvalid",
    });
  const late = cloneOf();
  await fixture.target.stage(late, () => {});
  await fixture.target.diff(late);
  await fixture.query(
    "INSERT INTO organizations (id, slug, name, settings, created_at) VALUES ($1, 'late', 'Late', '{}', now())",
    [late.targetOrganizationId],
  );
  const before = await fixture.fingerprint(late.targetOrganizationId);
  await expect(fixture.target.apply(late, optionsOf("overwrite"))).rejects.toMatchObject({ code: "CloneRefused" });
  expect(await fixture.fingerprint(late.targetOrganizationId)).toEqual(before);
  expect(await everyone()).toEqual(everyoneBefore);
  await fixture.target.dropStaging(late.restoreId);
  await fixture.query("DELETE FROM organizations WHERE id = $1", [late.targetOrganizationId]);
});

test("part of an organization is copied if nothing of it refers to what is left out", async () => {
  const chosen = (names: string[]) =>
    cloneOf({ selection: { dataSets: null, tables: names.map((name) => `public.${name}`), records: null } });
  const whole = chosen(["organizations", "vendors", "tasks"]);
  await fixture.target.stage(whole, () => {});
  await fixture.target.apply(whole, optionsOf("overwrite"));
  const rows = await fixture.rows(whole.targetOrganizationId);
  expect(rows["public.vendors"]).toHaveLength(8);
  expect(rows["public.weddings"]).toEqual([]);
  await fixture.target.rollback(whole.restoreId, { partial: false });
  await fixture.target.dropStaging(whole.restoreId);

  const torn = chosen(["organizations", "weddings"]);
  await expect(fixture.target.stage(torn, () => {})).rejects.toMatchObject({
    code: "CloneRefused",
    message: expect.stringContaining("public.weddings.primary_guest_id: "),
  });
  await expect(fixture.target.stage(chosen(["vendors"]), () => {})).rejects.toMatchObject({ code: "UsageInvalid" });
  expect(await everyone()).toEqual(everyoneBefore);
});
