// What a copy under another organization id changes, decided from a schema's description alone.
import { describe, expect, test } from "@jest/globals";
import type { Catalogue } from "../../../src/domain/catalogue.ts";
import { suggestCatalogue } from "../../../src/domain/catalogue-suggest.ts";
import { writeCatalogue } from "../../../src/domain/write-catalogue.ts";
import { planClone } from "../../../src/domain/restore/clone-plan.ts";
import type { SequenceDescription, TableDescription } from "../../../src/domain/schema.ts";
import { uniqueKeysOf } from "../../../src/domain/unique-keys.ts";
import { catalogueOf, describeSchema, describeTable } from "../../support/schema-builder.ts";

const orgs = describeTable("public.orgs", { columns: { id: "uuid!", slug: "text!" } });
const unique = (...columns: string[]): Partial<TableDescription> => ({
  constraints: [{ name: "only_one", definition: `UNIQUE (${columns.join(", ")})`, kind: "u" }],
});
const sequence = (place: string): SequenceDescription => ({
  name: `${place.replace(/\.\w+$/, "")}_seq`,
  ownedBy: place,
  type: "bigint",
  increment: "1",
  lastValue: null,
});

function plan(
  tables: readonly TableDescription[],
  more: Partial<Catalogue> = {},
  sequences: readonly SequenceDescription[] = [],
) {
  const names = tables.map((table) => table.name);
  const references = new Set([...(more.references ?? []), ...(more.exclusions ?? [])].map(({ table }) => table));
  const clone = planClone({
    catalogue: catalogueOf(names, more),
    schema: describeSchema(tables, { sequences }),
    members: new Set(names.filter((name) => !references.has(name))),
    uniqueIndexes: new Map(tables.map((table) => [table.name, uniqueKeysOf(table)])),
  });
  const changes = Object.fromEntries(
    [...clone.changes].flatMap(([table, columns]) =>
      [...columns].map(([column, change]) => [
        `${table.slice("public.".length)}.${column}`,
        change.by === "key" ? change.space.name : change.by,
      ]),
    ),
  );
  return { ...clone, changes, problems: clone.problems.map(({ message }) => message) };
}

describe("keys", () => {
  test("columns that foreign keys connect change together, through circles and to themselves", () => {
    const a = describeTable("public.a", {
      columns: { id: "uuid!", org_id: "uuid!", b: "uuid", parent: "uuid" },
      keys: ["org_id → public.orgs", "b → public.b (a)", "parent → public.a"],
    });
    const b = describeTable("public.b", {
      columns: { a: "uuid!", org_id: "uuid!" },
      primaryKey: ["a"],
      keys: ["a → public.a", "org_id → public.orgs"],
    });
    const { changes, problems } = plan([orgs, a, b]);
    expect(problems).toEqual([]);
    expect(changes).toMatchObject({
      "orgs.id": "public.orgs.id",
      "a.org_id": "public.orgs.id",
      "b.org_id": "public.orgs.id",
    });
    expect(new Set([changes["a.id"], changes["a.b"], changes["a.parent"], changes["b.a"]]).size).toBe(1);
    expect(changes["orgs.slug"]).toBeUndefined();
  });

  test("a composite key with the organization in it stays as it is, with what refers to it", () => {
    const places = describeTable("public.places", {
      columns: { org_id: "uuid!", no: "integer!" },
      primaryKey: ["org_id", "no"],
      keys: ["org_id → public.orgs"],
    });
    const chairs = describeTable("public.chairs", {
      columns: { org_id: "uuid!", place: "integer!", letter: "text!" },
      primaryKey: ["org_id", "place", "letter"],
      keys: ["org_id, place → public.places (org_id, no)"],
    });
    const { changes, problems } = plan([orgs, places, chairs]);
    expect(problems).toEqual([]);
    expect(changes).toEqual({
      "orgs.id": "public.orgs.id",
      "places.org_id": "public.orgs.id",
      "chairs.org_id": "public.orgs.id",
    });
  });

  test("numbers come from the sequence of the column that they come from; without one they are refused", () => {
    const rooms = describeTable("public.rooms", {
      columns: { id: "bigint!", org_id: "uuid!" },
      keys: ["org_id → public.orgs"],
    });
    const doors = describeTable("public.doors", {
      columns: { room: "bigint!" },
      primaryKey: ["room"],
      keys: ["room → public.rooms"],
    });
    const { spaces, changes, problems } = plan([orgs, rooms, doors], {}, [sequence("public.rooms.id")]);
    expect(problems).toEqual([]);
    expect(changes["doors.room"]).toBe("public.rooms.id");
    expect(spaces.find(({ name }) => name === "public.rooms.id")).toMatchObject({
      kind: "number",
      sequence: "public.rooms_seq",
      isTelling: false,
    });
    expect(plan([orgs, rooms, doors]).problems.join("\n")).toMatch(/^public\.rooms\.id: its primary key/);
  });

  test("shared tables are left alone, and a key of theirs can't be the organization's own", () => {
    const currencies = describeTable("public.currencies", { columns: { code: "text!" }, primaryKey: ["code"] });
    const prices = describeTable("public.prices", {
      columns: { id: "uuid!", org_id: "uuid!", currency: "text!" },
      keys: ["org_id → public.orgs", "currency → public.currencies (code)"],
    });
    const budgets = describeTable("public.budgets", {
      columns: { currency: "text!", org_id: "uuid!" },
      primaryKey: ["currency"],
      keys: ["org_id → public.orgs", "currency → public.currencies (code)"],
    });
    const references = [{ table: "public.currencies", reason: "shared" }];
    expect(plan([orgs, currencies, prices], { references }).changes["prices.currency"]).toBeUndefined();
    const refused = plan([orgs, currencies, budgets], { references });
    expect(refused.problems.join("\n")).toMatch(/^public\.budgets\.currency: its primary key/);
    const excluded = plan([orgs, currencies, prices], { exclusions: references });
    expect(excluded.problems.join("\n")).toContain(
      "public.prices.currency: refers to public.currencies, which is excluded",
    );
  });
});

describe("unique values", () => {
  const people = (type: string, key: Partial<TableDescription>) =>
    describeTable("public.people", {
      columns: { id: "uuid!", org_id: "uuid!", code: type },
      keys: ["org_id → public.orgs"],
      more: key,
    });

  test.each([
    ["with the organization in it, is fresh already", "text", unique("org_id", "code"), {}, []],
    ["a uuid gets a new one", "uuid", unique("code"), { "people.code": "public.people.code" }, []],
    ["a text needs a rule", "text", unique("code"), {}, ["public.people.code"]],
    [
      "an expression needs one, too",
      "text",
      {
        indexes: [
          "CREATE UNIQUE INDEX one ON public.people USING btree (lower(code), id_of(org_id)) WHERE (code <> ')'::text)",
        ],
      },
      {},
      ["public.people.org_id, public.people.code"],
    ],
  ])("%s", (_, type, key, changed, refused) => {
    const { changes, problems } = plan([orgs, people(type, key)]);
    expect(changes).toMatchObject(changed);
    expect(problems.map((line) => line.slice(0, line.indexOf(":")))).toEqual(refused);
  });

  test("a rule answers, and only a text can have a suffix", () => {
    const rule = (onClone: "suffix" | "null") => ({
      externalIds: [{ table: "public.people", column: "code", onClone }],
    });
    expect(plan([orgs, people("text", unique("code"))], rule("suffix")).problems).toEqual([]);
    expect(plan([orgs, people("text", unique("code"))], rule("null")).changes["people.code"]).toBe("null");
    expect(plan([orgs, people("date", unique("code"))], rule("suffix")).problems).toEqual([
      "public.people.code: only a text can have a suffix in a copy",
    ]);
  });

  test("a suffix that no unique index asks for reaches what refers to it, whichever table comes first", () => {
    const docs = describeTable("public.docs", {
      columns: { id: "uuid!", org_id: "uuid!", code: "text!" },
      keys: ["org_id → public.orgs"],
      more: unique("org_id", "code"),
    });
    const lines = describeTable("public.doc_lines", {
      columns: { id: "uuid!", org_id: "uuid!", doc: "text" },
      keys: ["org_id → public.orgs", "org_id, doc → public.docs (org_id, code)"],
    });
    const externalIds = [{ table: "public.docs", column: "code", onClone: "suffix" as const }];
    const { changes, problems } = plan([orgs, lines, docs], { externalIds });
    expect(problems).toEqual([]);
    expect(changes).toMatchObject({ "docs.code": "public.docs.code", "doc_lines.doc": "public.docs.code" });
  });

  test("a first catalogue suggests a rule for each, and asks for links", () => {
    const schema = describeSchema([
      { ...orgs, ...unique("slug") },
      describeTable("public.people", {
        columns: { id: "uuid!", org_id: "uuid!", billing: "text", friends: "uuid[]" },
        keys: ["org_id → public.orgs"],
        more: unique("billing"),
      }),
    ]);
    const { catalogue, notes } = suggestCatalogue(schema, "public.orgs", ["public"]);
    expect(catalogue.externalIds).toEqual([
      { table: "public.orgs", column: "slug", onClone: "suffix" },
      { table: "public.people", column: "billing", onClone: "null" },
    ]);
    expect(notes.join("\n")).toContain("public.people.friends: does it hold keys of rows?");
    expect(writeCatalogue(catalogue, notes)).toContain('{"table":"public.people","column":"billing","onClone":"null"}');
  });
});
