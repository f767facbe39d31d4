// Membership in SQL, against an oracle: every row carries the name of the organization that it belongs to.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createPostgresSource } from "../../src/adapters/postgres/postgres-source.ts";
import { suggestCatalogue } from "../../src/domain/catalogue-suggest.ts";
import { planTenantClosure } from "../../src/domain/tenant-closure.ts";
import type { HeldSnapshot, SnapshotReader, SourceDatabase } from "../../src/ports/source-database.ts";
import { catalogueOf } from "../support/schema-builder.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const schemaSql = `
  CREATE EXTENSION citext SCHEMA public;
  CREATE SCHEMA parts;
  CREATE TABLE orgs (id citext PRIMARY KEY, owner text);
  CREATE TABLE users (org citext NOT NULL REFERENCES orgs, id int NOT NULL, owner text, PRIMARY KEY (org, id));
  CREATE TABLE tickets (org citext NOT NULL, id int, assignee int, owner text, PRIMARY KEY (org, id), FOREIGN KEY (org, assignee) REFERENCES users);
  CREATE TABLE guests (id int PRIMARY KEY, org citext NOT NULL REFERENCES orgs, best_friend int REFERENCES guests, owner text);
  CREATE TABLE needs (id int PRIMARY KEY, guest_id int NOT NULL REFERENCES guests, owner text);
  CREATE TABLE z_late (id int PRIMARY KEY, guest_id int REFERENCES guests, owner text);
  CREATE TABLE gifts (id int PRIMARY KEY, guest_id int REFERENCES guests, late_id int REFERENCES z_late, owner text);
  CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree, twin int REFERENCES tree, guest_id int REFERENCES guests, owner text);
  CREATE TABLE notes (id int PRIMARY KEY, org citext REFERENCES orgs, guest_id int REFERENCES guests, parent int REFERENCES notes, owner text);
  CREATE TABLE talk (id int PRIMARY KEY, on_type text, on_id text, owner text);
  CREATE TABLE events (org citext NOT NULL REFERENCES orgs, day int, sub int, owner text) PARTITION BY RANGE (day);
  CREATE TABLE parts.low PARTITION OF events FOR VALUES FROM (0) TO (10) PARTITION BY LIST (sub);
  CREATE TABLE parts.low_1 PARTITION OF parts.low FOR VALUES IN (1);
  CREATE TABLE parts.high PARTITION OF events DEFAULT;
  CREATE TABLE base (id int PRIMARY KEY, org citext NOT NULL REFERENCES orgs, owner text);
  CREATE TABLE derived (extra text, FOREIGN KEY (org) REFERENCES orgs) INHERITS (base);
  CREATE TABLE "odd ""$1\\ name" ("a $1" citext NOT NULL REFERENCES orgs, "line
break" int, gone text, owner text);
  ALTER TABLE "odd ""$1\\ name" DROP COLUMN gone;

  INSERT INTO orgs VALUES ('a', 'a'), ('b', 'b');
  INSERT INTO users VALUES ('A', 1, 'a'), ('b', 1, 'b');
  INSERT INTO tickets VALUES ('a', 1, 1, 'a'), ('A', 2, NULL, 'a'), ('b', 1, NULL, 'b');
  INSERT INTO guests VALUES (1, 'a', NULL, 'a'), (2, 'B', 1, 'b'), (3, 'A', 2, 'a'), (4, 'a', 1, 'a');
  INSERT INTO needs VALUES (1, 1, 'a'), (2, 2, 'b');
  INSERT INTO z_late VALUES (1, 1, 'a'), (2, 2, 'b'), (3, NULL, 'nobody');
  INSERT INTO gifts VALUES (1, 1, NULL, 'a'), (2, NULL, 1, 'a'), (3, NULL, 2, 'b'), (4, NULL, NULL, 'nobody');
  INSERT INTO tree VALUES (1, NULL, NULL, 1, 'a'), (2, 1, NULL, NULL, 'a'), (3, NULL, 2, NULL, 'a'), (4, NULL, NULL, 2, 'b'), (5, 4, NULL, NULL, 'b'), (6, NULL, NULL, NULL, 'nobody');
  INSERT INTO notes VALUES (1, 'a', NULL, NULL, 'a'), (2, NULL, 1, NULL, 'a'), (3, NULL, NULL, 2, 'a'), (4, 'b', 1, 2, 'b'), (5, NULL, NULL, 4, 'b'), (6, NULL, NULL, NULL, 'nobody');
  INSERT INTO talk VALUES (1, 'guest''s $1', '1', 'a'), (2, 'guest''s $1', '2', 'b'), (3, 'talk', '1', 'a'), (4, 'talk', '3', 'a'), (5, 'org', 'a', 'a'), (6, 'org', '1', 'nobody'), (7, NULL, NULL, 'nobody');
  INSERT INTO events VALUES ('a', 1, 1, 'a'), ('A', 99, 1, 'a'), ('b', 2, 1, 'b');
  INSERT INTO base VALUES (1, 'a', 'a'); INSERT INTO derived VALUES (2, 'A', 'a', 'x'), (3, 'b', 'b', 'y');
  INSERT INTO "odd ""$1\\ name" VALUES ('A', 1, 'a'), ('b', 2, 'b');`;

const names = [
  "orgs",
  "users",
  "tickets",
  "guests",
  "needs",
  "z_late",
  "gifts",
  "tree",
  "notes",
  "talk",
  "events",
  "base",
  "derived",
  'odd "$1\\ name',
];
const catalogue = catalogueOf(
  names.map((name) => `public.${name}`),
  {
    polymorphic: [
      {
        table: "public.talk",
        typeColumn: "on_type",
        idColumn: "on_id",
        targets: { "guest's $1": "public.guests", talk: "public.talk", org: "public.orgs" },
      },
    ],
  },
);

let database: TestDatabase;
let source: SourceDatabase;
let held: HeldSnapshot;
let reader: SnapshotReader;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(schemaSql);
  source = createPostgresSource({ url: database.url });
  held = await source.holdSnapshot(catalogue.schemas, (schema) => planTenantClosure(schema, catalogue));
  reader = await source.importSnapshot(held.reference);
});

afterAll(async () => {
  await reader?.close();
  await held?.release();
  await source?.close();
  await database?.drop();
});

describe.each(["a", "b"])("organization %s", (organizationId) => {
  test.each(names)("has every row of %j that is its own, and no other", async (name) => {
    const closure = held.closure.tables.find((each) => each.table === `public.${name}`);
    if (closure === undefined) throw new Error(`${name} is not in the closure`);
    let text = "";
    for await (const chunk of reader.copyRows(closure.rowsSql, organizationId)) text += chunk.toString();
    const at = closure.columns.indexOf("owner");
    const owners = text
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split("\t")[at]);
    const partitioned = name === "events";
    const quoted = `public."${name.replaceAll('"', '""')}"`;
    const [expected] = await database.query<{ count: number }>(
      `SELECT count(*)::int FROM ${partitioned ? "" : "ONLY "}${quoted} WHERE owner = '${organizationId}'`,
    );
    expect(owners).toEqual(Array.from({ length: expected?.count ?? -1 }, () => organizationId));
  });
});

test("rows that point at another organization's are counted by foreign key", async () => {
  const among = new Set(held.closure.tables.map((each) => each.table));
  expect(await held.findForeignRows("a", among)).toEqual([
    { table: "public.guests", key: "guests_best_friend_fkey", parent: "public.guests", rows: 1 },
  ]);
  const ofB = await held.findForeignRows("b", among);
  expect(ofB.map(({ key, rows }) => `${key} ${rows}`).sort()).toEqual([
    "guests_best_friend_fkey 1",
    "notes_guest_id_fkey 1",
    "notes_parent_fkey 1",
  ]);
});

test("a suggested catalogue makes the closure complete once the named decisions are made", async () => {
  const schema = await source.readSchema(["public"]);
  const { catalogue: suggested, notes } = suggestCatalogue(schema, "public.orgs", ["public"]);
  expect(() => planTenantClosure(schema, suggested)).toThrow(/public\.talk: no foreign key/);
  expect(notes.join("\n")).toMatch(/public\.talk: /);
  expect(notes.join("\n")).toMatch(/public\.gifts: .*in no backup/);
  const decided = { ...suggested, exclusions: [{ table: "public.talk", reason: "decided" }] };
  expect(planTenantClosure(schema, decided).tables).toHaveLength(names.length - 1);
});
