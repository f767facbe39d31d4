// A schema that the catalogue does not list must not take an organization's rows out of its backups in silence.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import type { Catalogue } from "../../src/domain/catalogue.ts";
import { suggestCatalogue } from "../../src/domain/catalogue-suggest.ts";
import type { BackupError } from "../../src/domain/errors.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import type { SourceDatabase } from "../../src/ports/source-database.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const schemaSql = `
  CREATE SCHEMA "Billing"; CREATE SCHEMA parts; CREATE SCHEMA elsewhere;
  CREATE TABLE countries (code text PRIMARY KEY);
  CREATE TABLE orgs (id int PRIMARY KEY, country text REFERENCES countries);
  CREATE TABLE events (org int NOT NULL REFERENCES orgs, day int, PRIMARY KEY (org, day)) PARTITION BY RANGE (day);
  CREATE TABLE parts.low PARTITION OF events FOR VALUES FROM (0) TO (10);
  CREATE TABLE "Billing"."Invoice" (org int NOT NULL REFERENCES orgs, owner int REFERENCES orgs, no int, PRIMARY KEY (org, no));
  CREATE TABLE "Billing".line (org int, no int, FOREIGN KEY (org, no) REFERENCES "Billing"."Invoice");
  CREATE TABLE elsewhere.seats (org int, day int, FOREIGN KEY (org, day) REFERENCES events) PARTITION BY HASH (day);
  CREATE TABLE elsewhere.seats_0 PARTITION OF elsewhere.seats FOR VALUES WITH (MODULUS 1, REMAINDER 0);
  CREATE TABLE elsewhere.tickets (org int, day int, FOREIGN KEY (org, day) REFERENCES parts.low);
  CREATE TABLE elsewhere.old_orgs () INHERITS (orgs);
  CREATE TABLE elsewhere.flags (country text REFERENCES countries);`;

const base = catalogueOf(["public.orgs", "public.events"], {
  references: [{ table: "public.countries", reason: "shared" }],
});
const outside = ["Billing.Invoice", "elsewhere.old_orgs", "elsewhere.seats", "elsewhere.tickets"];
const withExclusions = (tables: readonly string[]): Catalogue => ({
  ...base,
  exclusions: tables.map((table) => ({ table, reason: "meant" })),
});

let database: TestDatabase;
let source: SourceDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(schemaSql);
  source = createPostgresSource({ url: database.url });
});

afterAll(async () => {
  await source?.close();
  await database?.drop();
});

test("a table of another schema that hangs on an organization's stops the backup, by name", async () => {
  const refused = await source
    .holdSnapshot(base.schemas, (schema) => planTenantClosure(schema, base))
    .then(
      () => null,
      (error: unknown) => error as BackupError,
    );
  expect(refused).toMatchObject({ code: "TableUnclassified", details: { tables: outside } });
  expect(refused?.message).toContain(
    "Billing.Invoice: hangs on public.orgs, but the schema Billing is not among the catalogue's schemas; add that, or",
  );
  expect(refused?.message).toContain("elsewhere.tickets: hangs on public.events, ");
});

test("declared exclusions, they are let be, and shown; one that is not there is still named", async () => {
  const schema = await source.readSchema(base.schemas);
  const { classifications } = planTenantClosure(schema, withExclusions(outside));
  expect(classifications.filter(({ role }) => role === "excluded").map(({ table }) => table)).toEqual(outside);
  const beyond = withExclusions([...outside, "Billing.line", "public.nothing"]);
  expect(() => planTenantClosure(schema, beyond)).toThrow(
    /exclusion: Billing\.line lies in the schema Billing, which is not among the catalogue's schemas \(public\)\n- exclusion: the database has no table public\.nothing/,
  );
});

test("with their schemas listed they are in it", async () => {
  const schemas = ["public", "Billing", "elsewhere"];
  const schema = await source.readSchema(schemas);
  const { catalogue, notes } = suggestCatalogue(schema, "public.orgs", schemas);
  const stored = catalogue.dataSets.flatMap(({ tables }) => tables);
  expect(stored).toEqual(expect.arrayContaining(["Billing.Invoice", "Billing.line", "elsewhere.tickets"]));
  expect(notes.join("\n")).not.toContain("was not looked at");
});

test("a suggestion names them, and how to look at their schemas", async () => {
  const { notes } = suggestCatalogue(await source.readSchema(["public"]), "public.orgs", ["public"]);
  const named = notes.filter((note) => note.includes("was not looked at"));
  expect(named.map((note) => note.split(": ")[0])).toEqual(outside);
  expect(named[0]).toContain("--schema public --schema Billing");
});
