// What the catalogue says of values that a copy can't share, on a schema that has one of each kind.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import type { BackupContent, RestorePlanInput } from "../../src/ports/restore-target.ts";
import { createRestoreFixture, optionsOf, type RestoreFixture } from "../support/restore-fixture.ts";
import { catalogueOf } from "../support/schema-builder.ts";

const schemaSql = `
  CREATE DOMAIN person_id AS uuid;
  CREATE TABLE plans (code text PRIMARY KEY);
  INSERT INTO plans VALUES ('gold');
  CREATE TABLE orgs (id text PRIMARY KEY, slug varchar(20) NOT NULL, plan text REFERENCES plans, seats jsonb, layout json, page text);
  CREATE UNIQUE INDEX orgs_slug ON orgs (lower(slug));
  CREATE TABLE people (
    id person_id PRIMARY KEY, org_id text NOT NULL REFERENCES orgs, email text UNIQUE, billing_id text UNIQUE, token uuid NOT NULL UNIQUE,
    friends uuid[], file text, best person_id REFERENCES people, note text
  );
  CREATE SEQUENCE room_numbers START 7;
  CREATE TABLE rooms (no integer PRIMARY KEY DEFAULT nextval('room_numbers'), org_id text NOT NULL REFERENCES orgs, UNIQUE (org_id, no));
  CREATE TABLE codes (code text PRIMARY KEY, org_id text NOT NULL REFERENCES orgs);
  CREATE TABLE doors (room integer NOT NULL, org_id text NOT NULL, code text REFERENCES codes, letter char(1) NOT NULL, PRIMARY KEY (room, letter),
    FOREIGN KEY (org_id, room) REFERENCES rooms (org_id, no));
  CREATE TABLE notes (kind text NOT NULL, about text NOT NULL, body text, PRIMARY KEY (kind, about));
`;
const [ann, bob, token] = [
  "aaaaaaaa-0000-4000-8000-00000000000a",
  "bbbbbbbb-0000-4000-8000-00000000000b",
  "cccccccc-0000-4000-8000-00000000000c",
];
const rowsOf = (org: string, [a, b, t]: readonly string[], no: number): string => `
  INSERT INTO orgs VALUES ('${org}', 'slug-${org}', 'gold', '{"tables": [{"guests": ["${a}", 7]}, {"guests": []}], "names": {"${a}": "Ann", "x": 1}, "rooms": {"best": ${no}}}',
    '{"html":  "<a href=\\"/p/${b}\\">", "html": "<a href=\\"/p/${b}\\">"}', 'see https://example.org/${a}/x');
  INSERT INTO people VALUES ('${a}', '${org}', 'ann@${org}', 'pay-${org}', '${t}', '{${b},${a}}', '${org}/ann.jpg', NULL, NULL),
    ('${b}', '${org}', NULL, NULL, gen_random_uuid(), NULL, 'shared/bob', '${a}', NULL);
  INSERT INTO rooms VALUES (${no}, '${org}');
  INSERT INTO codes VALUES ('code-${org}', '${org}');
  INSERT INTO doors VALUES (${no}, '${org}', 'code-${org}', 'x');
  INSERT INTO notes VALUES ('person', '${a}', 'a person'), ('room', '${no}', 'a room');
`;
const tables = ["orgs", "people", "rooms", "codes", "doors", "notes"].map((name) => `public.${name}`);
const catalogue = catalogueOf(tables, {
  references: [{ table: "public.plans", reason: "shared" }],
  polymorphic: [
    {
      table: "public.notes",
      typeColumn: "kind",
      idColumn: "about",
      targets: { person: "public.people", room: "public.rooms" },
    },
  ],
  media: [{ table: "public.people", column: "file" }],
  externalIds: [
    { table: "public.orgs", column: "slug", onClone: "suffix" },
    { table: "public.people", column: "email", onClone: "suffix" },
    { table: "public.people", column: "billing_id", onClone: "null" },
    { table: "public.codes", column: "code", onClone: "suffix" },
  ],
  links: [
    { table: "public.orgs", column: "seats", path: ["tables", "*", "guests"], target: "public.people" },
    { table: "public.orgs", column: "seats", path: ["names"], memberNames: true, target: "public.people" },
    { table: "public.orgs", column: "seats", path: ["rooms", "best"], target: "public.rooms" },
    { table: "public.orgs", column: "layout" },
    { table: "public.orgs", column: "page" },
    { table: "public.people", column: "friends", target: "public.people" },
  ],
});

let fixture: RestoreFixture;
let backup: BackupContent;
beforeAll(async () => {
  fixture = await createRestoreFixture(schemaSql, catalogue);
  await fixture.query(rowsOf("acme", [ann, bob, token], 7));
  await fixture.query(
    rowsOf(
      "other",
      ["dd", "ee", "ff"].map((each) => token.replaceAll("cc", each)),
      8,
    ),
  );
  await fixture.query("SELECT setval('room_numbers', 8)");
  backup = await fixture.backUp("acme");
});
afterAll(() => fixture.drop());

const stage = (more: Partial<RestorePlanInput> = {}) => {
  const input = fixture.plan("acme", backup, { targetOrganizationId: "copy", ...more });
  return { input, staged: fixture.target.stage(input, () => {}) };
};
const withCatalogue = (more: Partial<Catalogue>) => stage({ catalogue: { ...catalogue, ...more } }).staged;
const rule = (column: string, onClone: "null" | "suffix" | "keep-if-free" | "refuse") => ({
  externalIds: [
    ...(catalogue.externalIds ?? []).filter((each) => `${each.table}.${each.column}` !== column),
    {
      table: column.slice(0, column.lastIndexOf(".")),
      column: column.slice(column.lastIndexOf(".") + 1),
      onClone,
    },
  ],
});

test("keys of every kind, external ids, links and files become the copy's own", async () => {
  const before = await Promise.all(["acme", "other"].map((each) => fixture.fingerprint(each)));
  const { input, staged } = stage();
  await staged;
  expect(await fixture.target.readStagedPaths(input.restoreId, catalogue.media)).toEqual(
    expect.arrayContaining([
      { source: "acme/ann.jpg", path: "copy/ann.jpg" },
      { source: "shared/bob", path: expect.stringMatching(/^shared\/bob-[0-9a-f]{8}$/) },
    ]),
  );
  await fixture.target.diff(input);
  await fixture.target.apply(input, optionsOf("overwrite"));
  await fixture.target.dropStaging(input.restoreId);
  const [org] = await fixture.query<Record<string, string>>(
    "SELECT slug, plan, seats::text, layout::text, page FROM orgs WHERE id = 'copy'",
  );
  const people = await fixture.query<Record<string, string>>(
    "SELECT id, email, billing_id, token, friends::text, file, best FROM people WHERE org_id = 'copy' ORDER BY email NULLS LAST",
  );
  const [copyOfAnn, copyOfBob] = people.map(({ id }) => id as string);
  const [door] = await fixture.query("SELECT room, code, letter FROM doors WHERE org_id = 'copy'");
  const version8 = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  expect(people).toEqual([
    {
      id: expect.stringMatching(version8),
      email: expect.stringMatching(/^ann-[0-9a-f]{8}@acme$/),
      billing_id: null,
      token: expect.stringMatching(version8),
      friends: `{${copyOfBob},${copyOfAnn}}`,
      file: "copy/ann.jpg",
      best: null,
    },
    {
      id: expect.stringMatching(version8),
      email: null,
      billing_id: null,
      token: expect.stringMatching(version8),
      friends: null,
      file: expect.stringMatching(/^shared\/bob-/),
      best: copyOfAnn,
    },
  ]);
  expect(org).toEqual({
    slug: expect.stringMatching(/^slug-acme-[0-9a-f]{8}$/),
    plan: "gold",
    seats: expect.any(String),
    layout: `{"html":  "<a href=\\"/p/${copyOfBob}\\">", "html": "<a href=\\"/p/${copyOfBob}\\">"}`,
    page: `see https://example.org/${copyOfAnn}/x`,
  });
  expect(JSON.parse(org?.["seats"] ?? "")).toEqual({
    tables: [{ guests: [copyOfAnn, 7] }, { guests: [] }],
    names: { [copyOfAnn as string]: "Ann", x: 1 },
    rooms: { best: 9 },
  });
  expect(door).toEqual({ room: 9, code: expect.stringMatching(/^code-acme-[0-9a-f]{8}$/), letter: "x" });
  expect(
    await fixture.query("SELECT kind, about FROM notes WHERE about IN ($1, '9') ORDER BY kind", [copyOfAnn]),
  ).toEqual([
    { kind: "person", about: copyOfAnn },
    { kind: "room", about: "9" },
  ]);
  expect(await Promise.all(["acme", "other"].map((each) => fixture.fingerprint(each)))).toEqual(before);
  await fixture.target.rollback(input.restoreId, { partial: false });
  expect(Object.values(await fixture.rows("copy")).flat()).toEqual([]);
});

test("a unique value without a rule is refused by name, before anything is made", async () => {
  const bare = withCatalogue({ externalIds: [] });
  await expect(bare).rejects.toMatchObject({ code: "CloneRefused" });
  const error = (await bare.catch((thrown: unknown) => thrown)) as Error;
  for (const place of ["public.orgs.slug", "public.people.email", "public.people.billing_id", "public.codes.code"])
    expect(error.message).toContain(`- ${place}: `);
  expect(error.message).not.toMatch(/acme|rooms|token/);
  expect(await fixture.query("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'wedsync\\_restore\\_%'")).toEqual([]);
});

test.each(["null", "suffix", "keep-if-free", "refuse"] as const)(
  "%s is what becomes of an external id",
  async (onClone) => {
    const { input, staged } = stage({ catalogue: { ...catalogue, ...rule("public.people.billing_id", onClone) } });
    if (onClone === "refuse")
      return await expect(staged).rejects.toMatchObject({
        code: "CloneRefused",
        message: expect.stringContaining("public.people.billing_id: 1 rows have a value"),
      });
    await staged;
    const differences = await fixture.target.diff(input);
    const people = differences.find(({ table }) => table === "public.people");
    expect(people?.taken).toBe(onClone === "keep-if-free" ? 1 : 0);
    const applying = fixture.target.apply(input, optionsOf("overwrite"));
    if (onClone === "keep-if-free") await expect(applying).rejects.toMatchObject({ code: "RestoreConflict" });
    else {
      await applying;
      const [row] = await fixture.query("SELECT max(billing_id) AS id FROM people WHERE org_id = 'copy'");
      expect(row).toEqual({ id: onClone === "null" ? null : expect.stringMatching(/^pay-acme-/) });
      await fixture.target.rollback(input.restoreId, { partial: false });
    }
    await fixture.target.dropStaging(input.restoreId);
  },
);

test("old ids that are left in a text, a list, a json or a key without foreign key are found: stop, or say so", async () => {
  const blind = { links: (catalogue.links ?? []).filter(({ path }) => path?.[0] === "rooms") };
  const stopped = withCatalogue(blind);
  await expect(stopped).rejects.toMatchObject({ code: "CloneRefused" });
  const message = String(await stopped.catch((error: unknown) => error));
  for (const place of ["orgs.seats", "orgs.layout", "orgs.page", "people.friends"])
    expect(message).toContain(`- public.${place}: 1 rows`);
  expect(message).not.toContain(ann);
  const reported = stage({ catalogue: { ...catalogue, ...blind }, leftOverIds: "report" });
  const { notes } = await reported.staged;
  expect(notes.filter((note) => note.includes("are left in"))).toHaveLength(4);
  await fixture.target.dropStaging(reported.input.restoreId);

  await fixture.query("UPDATE people SET note = 'acme' WHERE id = $1", [ann]);
  const later = await fixture.backUp("acme");
  const named = stage({ backup: later }).staged;
  await expect(named).rejects.toMatchObject({ message: expect.stringContaining("- public.people.note: 1 rows") });
  const kept = stage({ backup: later, catalogue: { ...catalogue, ...rule("public.people.note", "keep-if-free") } });
  await kept.staged;
  await fixture.target.dropStaging(kept.input.restoreId);
  await fixture.query("UPDATE people SET note = NULL WHERE id = $1", [ann]);
});

test("a row that refers to another organization's is not copied", async () => {
  const theirs = token.replaceAll("cc", "dd");
  await fixture.query("UPDATE people SET best = $1 WHERE id = $2", [theirs, bob]);
  const torn = stage({ backup: await fixture.backUp("acme") }).staged;
  await expect(torn).rejects.toMatchObject({
    code: "CloneRefused",
    message: expect.stringContaining("public.people.best: 1 rows refer to rows of public.people that are not copied"),
  });
  await fixture.query("UPDATE people SET best = $1 WHERE id = $2", [ann, bob]);
});

test("a text that has no room for its suffix is refused, and not cut", async () => {
  await fixture.query("UPDATE orgs SET slug = 'eighteen-letters--' WHERE id = 'acme'");
  const long = stage({ backup: await fixture.backUp("acme") }).staged;
  await expect(long).rejects.toMatchObject({
    code: "CloneRefused",
    message: expect.stringContaining("public.orgs.slug"),
  });
  await fixture.query("UPDATE orgs SET slug = 'slug-acme' WHERE id = 'acme'");
});
