import { describe, expect, test } from "@jest/globals";
import type { Catalogue, ClosureTable } from "../../../src/domain/catalogue.ts";
import { BackupError } from "../../../src/domain/errors.ts";
import type { TableDescription } from "../../../src/domain/schema.ts";
import { planTenantClosure } from "../../../src/domain/tenant-closure.ts";
import { catalogueOf, describeColumn, describeSchema, describeTable } from "../../support/schema-builder.ts";

const orgs = describeTable("public.orgs", { columns: { id: "bigint!", name: "text" } });
const guests = describeTable("public.guests", {
  columns: { id: "bigint!", org_id: "bigint!" },
  keys: ["org_id → public.orgs"],
});
const vendors = describeTable("public.vendors", {
  columns: { id: "uuid!", org_id: "bigint!" },
  keys: ["org_id → public.orgs"],
});

function plan(tables: readonly TableDescription[], more: Partial<Catalogue> = {}) {
  const setAside = new Set([...(more.references ?? []), ...(more.exclusions ?? [])].map((each) => each.table));
  const names = tables.filter((each) => each.partitionOf === null && !setAside.has(each.name)).map((each) => each.name);
  return planTenantClosure(describeSchema(tables), catalogueOf(names, more));
}

function only(tables: readonly TableDescription[], name: string, more: Partial<Catalogue> = {}): ClosureTable {
  const found = plan(tables, more).tables.find((each) => each.table === name);
  if (found === undefined) throw new Error(`${name} is not in the closure`);
  return found;
}

function refusal(run: () => unknown): BackupError {
  try {
    run();
  } catch (error) {
    if (error instanceof BackupError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("roles", () => {
  test("the root is read by its key", () => {
    expect(only([orgs], "public.orgs")).toMatchObject({
      role: "root",
      rowsSql: `SELECT t."id", t."name" FROM ONLY "public"."orgs" AS t WHERE t."id" = $1::bigint`,
    });
  });

  test("a table with the organization's column is direct", () => {
    expect(only([orgs, guests], "public.guests")).toMatchObject({
      role: "direct",
      reason: "by org_id",
      rowsSql: `SELECT t."id", t."org_id" FROM ONLY "public"."guests" AS t WHERE t."org_id" = $1::bigint`,
      dependsOn: [],
    });
  });

  test("a declared organization column of another type is compared as text", () => {
    const logs = describeTable("public.logs", { columns: { org: "character varying(40)", line: "text" } });
    const notes = describeTable("public.notes", { columns: { org: "numeric", line: "text" } });
    const organizationColumns = { "public.logs": "org", "public.notes": "org" };
    expect(only([orgs, logs, notes], "public.logs", { organizationColumns }).rowsSql).toContain(
      `t."org" = $1::bigint::text`,
    );
    expect(only([orgs, logs, notes], "public.notes", { organizationColumns }).rowsSql).toContain(
      `t."org"::text = $1::bigint::text`,
    );
  });

  test("a key that is never NULL makes a table indirect, by the shortest path, whatever the tables' order", () => {
    const needs = describeTable("public.a_needs", {
      columns: { id: "bigint!", guest_id: "bigint!", detail_id: "bigint!" },
      keys: ["detail_id → public.details", "guest_id → public.guests"],
    });
    const details = describeTable("public.details", {
      columns: { id: "bigint!", guest_id: "bigint!" },
      keys: ["guest_id → public.guests"],
    });
    const need = only([needs, details, guests, orgs], "public.a_needs");
    expect(need).toMatchObject({ role: "indirect", reason: "by guest_id through public.guests" });
    expect(need.dependsOn).toEqual(["public.guests"]);
    expect(only([needs, details, guests, orgs], "public.details").rowsSql).toContain(
      `EXISTS (SELECT 1 FROM ONLY "public"."guests" AS tp WHERE tp."id" = t."guest_id" AND tp."org_id" = $1::bigint)`,
    );
  });

  test("keys that may be NULL count together", () => {
    const gifts = describeTable("public.gifts", {
      columns: { id: "bigint!", guest_id: "bigint", vendor_id: "uuid" },
      keys: ["guest_id → public.guests", "vendor_id → public.vendors"],
    });
    expect(only([orgs, guests, vendors, gifts], "public.gifts")).toMatchObject({
      role: "indirect",
      reason: "by guest_id through public.guests, or by vendor_id through public.vendors",
      dependsOn: ["public.guests", "public.vendors"],
    });
  });

  test("a path that is found late is not missed", () => {
    // Read in this order, `a` knows only the path through guests unless it waits for `b`, which waits for `c`.
    const a = describeTable("public.a", {
      columns: { id: "bigint!", guest_id: "bigint", b_id: "bigint" },
      keys: ["guest_id → public.guests", "b_id → public.b"],
    });
    const b = describeTable("public.b", { columns: { id: "bigint!", c_id: "bigint" }, keys: ["c_id → public.c"] });
    const c = describeTable("public.c", {
      columns: { id: "bigint!", guest_id: "bigint" },
      keys: ["guest_id → public.guests"],
    });
    const found = only([orgs, guests, a, b, c], "public.a");
    expect(found.reason).toBe("by guest_id through public.guests, or by b_id through public.b");
    expect(found.dependsOn).toEqual(["public.guests", "public.b", "public.c"]);
  });

  test("a self reference reaches the rows below, by each of its keys", () => {
    const tree = describeTable("public.tree", {
      columns: { id: "bigint!", parent: "bigint", twin: "bigint", guest_id: "bigint" },
      keys: ["parent → public.tree", "twin → public.tree", "guest_id → public.guests"],
    });
    const found = only([orgs, guests, tree], "public.tree");
    expect(found).toMatchObject({ role: "self", dependsOn: ["public.guests"] });
    expect(found.rowsSql).toContain(`below."parent" = reached."id"`);
    expect(found.rowsSql).toContain(`below."twin" = reached."id"`);
  });

  test("a self reference of a direct table changes nothing", () => {
    const tasks = describeTable("public.tasks", {
      columns: { id: "bigint!", org_id: "bigint!", parent: "bigint" },
      keys: ["org_id → public.orgs", "parent → public.tasks"],
    });
    expect(only([orgs, tasks], "public.tasks").rowsSql).not.toContain("RECURSIVE");
  });

  test("where the organization's column may be NULL, the other references tell", () => {
    const notes = describeTable("public.notes", {
      columns: { id: "bigint!", org_id: "bigint", guest_id: "bigint", parent: "bigint" },
      keys: ["org_id → public.orgs", "guest_id → public.guests", "parent → public.notes"],
    });
    const found = only([orgs, guests, notes], "public.notes");
    expect(found.role).toBe("direct");
    expect(found.reason).toBe("by org_id, or where that is NULL by guest_id through public.guests, or by parent");
    expect(found.rowsSql).toContain(`start."org_id" IS NULL`);
    expect(found.dependsOn).toEqual(["public.guests"]);
  });

  test("two tables that fall back on each other end", () => {
    const a = describeTable("public.a", {
      columns: { id: "bigint!", org_id: "bigint", b_id: "bigint" },
      keys: ["org_id → public.orgs", "b_id → public.b"],
    });
    const b = describeTable("public.b", {
      columns: { id: "bigint!", org_id: "bigint", a_id: "bigint" },
      keys: ["org_id → public.orgs", "a_id → public.a"],
    });
    const { tables } = plan([orgs, a, b]);
    expect(tables.map((each) => each.role)).toEqual(["root", "direct", "direct"]);
    for (const { rowsSql } of tables) expect(rowsSql.length).toBeLessThan(2_000);
  });

  test("polymorphic: one branch for each type, ids of other types as text", () => {
    const comments = describeTable("public.comments", {
      columns: { id: "bigint!", subject_type: "text!", subject_id: "bigint!" },
    });
    const polymorphic = [
      {
        table: "public.comments",
        typeColumn: "subject_type",
        idColumn: "subject_id",
        targets: { "it's $1": "public.guests", vendor: "public.vendors" },
      },
    ];
    const found = only([orgs, guests, vendors, comments], "public.comments", { polymorphic });
    expect(found).toMatchObject({ role: "polymorphic", dependsOn: ["public.guests", "public.vendors"] });
    expect(found.rowsSql).toContain(String.raw`t."subject_type"::text = E'it''s \x241'`);
    expect(found.rowsSql).toContain(`tp."id" = t."subject_id" AND tp."org_id"`);
    expect(found.rowsSql).toContain(`tp."id"::text = t."subject_id"::text AND tp."org_id"`);
  });

  test("polymorphic rows may hang on each other", () => {
    const comments = describeTable("public.comments", {
      columns: { id: "bigint!", on_type: "text!", on_id: "bigint!" },
    });
    const targets = { guest: "public.guests", comment: "public.comments" };
    const polymorphic = [{ table: "public.comments", typeColumn: "on_type", idColumn: "on_id", targets }];
    const { rowsSql } = only([orgs, guests, comments], "public.comments", { polymorphic });
    expect(rowsSql).toContain(`below."on_type"::text = E'comment' AND below."on_id" = reached."id"`);
  });

  test("references and exclusions are named, and not read", () => {
    const kinds = describeTable("public.kinds", { columns: { code: "text!" } });
    const cache = describeTable("public.cache", { columns: { org_id: "bigint" }, keys: ["org_id → public.orgs"] });
    const { tables, classifications } = plan([orgs, kinds, cache], {
      references: [{ table: "public.kinds", reason: "shared" }],
      exclusions: [{ table: "public.cache", reason: "made again" }],
    });
    expect(tables.map((each) => each.table)).toEqual(["public.orgs"]);
    expect(classifications.slice(1)).toEqual([
      { table: "public.kinds", role: "reference", dataSet: null, reason: "shared" },
      { table: "public.cache", role: "excluded", dataSet: null, reason: "made again" },
    ]);
  });
});

describe("composite keys (organization, id)", () => {
  const users = describeTable("public.users", {
    columns: { org_id: "bigint!", id: "bigint!" },
    primaryKey: ["org_id", "id"],
    keys: ["org_id → public.orgs"],
  });
  const tickets = describeTable("public.tickets", {
    columns: { org_id: "bigint!", id: "bigint!", assignee: "bigint" },
    primaryKey: ["org_id", "id"],
    keys: ["org_id, assignee → public.users (org_id, id)"],
  });

  test("carry the organization with them, even where the rest of the key is NULL", () => {
    expect(only([orgs, users, tickets], "public.tickets")).toMatchObject({
      role: "direct",
      reason: "by org_id",
      keyColumnCount: 2,
    });
  });

  test("can't point at another organization, so nothing is counted", () => {
    expect(plan([orgs, users, tickets]).foreignRowChecks).toEqual([]);
  });
});

describe("what is read", () => {
  test("the primary key comes first; generated and omitted columns stay out", () => {
    const table = describeTable("public.guests", {
      columns: { org_id: "bigint!", id: "bigint!", secret: "text", name: "text" },
      keys: ["org_id → public.orgs"],
      more: {
        columns: [
          ...["secret", "name", "id", "org_id"].map((name) => describeColumn(name, "bigint!")),
          describeColumn("upper", "text", { generated: "stored" }),
          describeColumn("lower", "text", { generated: "virtual" }),
        ],
      },
    });
    const omittedColumns = [{ table: "public.guests", column: "secret", reason: "private" }];
    expect(only([orgs, table], "public.guests", { omittedColumns })).toMatchObject({
      columns: ["id", "name", "org_id"],
      keyColumnCount: 1,
    });
  });

  test("a primary key with a generated column is no key: it could not be written back", () => {
    const table = describeTable("public.parts", {
      columns: { org_id: "bigint!", code: "text!" },
      primaryKey: ["org_id", "code"],
      keys: ["org_id → public.orgs"],
      more: {
        columns: [describeColumn("org_id", "bigint!"), describeColumn("code", "text!", { generated: "stored" })],
      },
    });
    expect(only([orgs, table], "public.parts")).toMatchObject({ columns: ["org_id"], keyColumnCount: 0 });
  });

  test("a partitioned table is read through its parent, and its partitions are no tables of their own", () => {
    const events = describeTable("public.events", {
      columns: { org_id: "bigint!", day: "date!" },
      keys: ["org_id → public.orgs"],
      more: { kind: "partitioned" },
    });
    const part = describeTable("public.events_2025", {
      columns: { org_id: "bigint!", day: "date!" },
      more: { partitionOf: "public.events" },
    });
    const { tables } = plan([orgs, events, part]);
    expect(tables.map((each) => each.table)).toEqual(["public.orgs", "public.events"]);
    expect(tables[1]?.rowsSql).toContain(`FROM "public"."events" AS t`); // ONLY would read nothing
  });

  test("critical data sets first, parents before children within", () => {
    const needs = describeTable("public.a_needs", {
      columns: { id: "bigint!", guest_id: "bigint!" },
      keys: ["guest_id → public.guests"],
    });
    const dataSets = [
      { name: "later", title: "", priority: 2, tables: ["public.vendors"] },
      { name: "first", title: "", priority: 1, tables: ["public.a_needs", "public.guests", "public.orgs"] },
    ];
    const { tables } = plan([vendors, needs, guests, orgs], { dataSets });
    expect(tables.map((each) => each.table)).toEqual([
      "public.orgs",
      "public.guests",
      "public.a_needs",
      "public.vendors",
    ]);
  });

  test("a circle of keys that are never NULL still gets an order", () => {
    const a = describeTable("public.a", {
      columns: { id: "bigint!", org_id: "bigint!", b: "bigint!" },
      keys: ["org_id → public.orgs", "b → public.b"],
    });
    const b = describeTable("public.b", {
      columns: { id: "bigint!", org_id: "bigint!", a: "bigint!" },
      keys: ["org_id → public.orgs", "a → public.a"],
    });
    expect(plan([b, a, orgs]).tables.map((each) => each.table)).toEqual(["public.orgs", "public.b", "public.a"]);
  });

  test("media paths are read by the same membership", () => {
    const { mediaSql } = plan([orgs, guests], { media: [{ table: "public.guests", column: "org_id" }] });
    expect(mediaSql[0]?.sql).toContain(`WHERE t."org_id" = $1::bigint AND t."org_id" IS NOT NULL`);
  });
});

describe("refusals name everything at once", () => {
  test("unclassified tables, each with what is wrong", () => {
    const lonely = describeTable("public.lonely", { columns: { id: "bigint!" } });
    const odd = describeTable("public.odd: table", { columns: {} });
    const circle = (name: string, other: string): TableDescription =>
      describeTable(`public.${name}`, {
        columns: { id: "bigint!", next: "bigint", guest_id: "bigint" },
        keys: [`next → public.${other}`, "guest_id → public.guests"],
      });
    const schema = describeSchema([orgs, guests, lonely, odd, circle("x", "y"), circle("y", "x"), vendors]);
    const error = refusal(() => planTenantClosure(schema, catalogueOf(["public.orgs", "public.guests"])));
    expect(error.code).toBe("TableUnclassified");
    expect(error.details["tables"]).toEqual([
      "public.lonely",
      "public.odd: table",
      "public.x",
      "public.y",
      "public.vendors",
    ]);
    expect(error.message).toContain("public.lonely: no foreign key leads from it to public.orgs");
    expect(error.message).toContain(
      "public.x: only keys that may be NULL lead from it, through public.y, public.guests",
    );
    expect(error.message).toContain("public.vendors: belongs to an organization (by org_id), but is in no data set");
  });

  test("a foreign table, and a partition in another server", () => {
    const far = describeTable("public.far", { columns: { org_id: "bigint!" }, more: { kind: "foreign" } });
    const events = describeTable("public.events", {
      columns: { org_id: "bigint!" },
      keys: ["org_id → public.orgs"],
      more: { kind: "partitioned" },
    });
    const part = describeTable("public.part", {
      columns: { org_id: "bigint!" },
      more: { kind: "foreign", partitionOf: "public.events" },
    });
    const schema = describeSchema([orgs, far, events, part]);
    const error = refusal(() => planTenantClosure(schema, catalogueOf(["public.orgs", "public.events"])));
    expect(error).toMatchObject({ code: "TableUnclassified", details: { tables: ["public.far", "public.part"] } });
    expect(error.message).toContain("detach it from public.events");
  });

  test("tables and columns that the database does not have", () => {
    const error = refusal(() =>
      plan([orgs, guests], {
        dataSets: [{ name: "all", title: "", priority: 1, tables: ["public.orgs", "public.guests", "public.gone"] }],
        organizationColumns: { "public.guests": "nope" },
        media: [{ table: "public.guests", column: "picture" }],
        references: [{ table: "public.kinds", reason: "shared" }],
        polymorphic: [{ table: "public.talk", typeColumn: "a", idColumn: "b", targets: { x: "public.what" } }],
      }),
    );
    expect(error.code).toBe("CatalogueTableMissing");
    expect(error.details["problems"]).toEqual([
      "data set all: the database has no table public.gone",
      "organization column: public.guests has no column nope",
      "media: public.guests has no column picture",
      "reference: the database has no table public.kinds",
      "polymorphic: the database has no table public.talk",
      "polymorphic: the database has no table public.talk",
      "polymorphic public.talk: the database has no table public.what",
    ]);
  });

  test("a catalogue that contradicts itself or the schema", () => {
    const part = describeTable("public.part", { columns: { id: "bigint!" }, more: { partitionOf: "public.guests" } });
    const error = refusal(() =>
      plan([orgs, guests, part], {
        schemas: ["public", "a.b"],
        dataSets: [{ name: "all", title: "", priority: 1, tables: ["public.guests", "public.part"] }],
        exclusions: [{ table: "public.guests", reason: "twice" }],
        omittedColumns: [{ table: "public.guests", column: "id", reason: "key" }],
      }),
    );
    expect(error.code).toBe("CatalogueInvalid");
    expect(error.details["problems"]).toEqual([
      "schema a.b: the names of schemas with a dot can't be told from tables",
      "data set all: public.part is a partition of public.guests; name that instead",
      "omitted column: public.guests.id is part of the primary key",
      "public.guests is listed more than once: data set all, exclusions",
      "the root public.orgs is in no data set",
    ]);
  });

  test("numbers of large objects, also behind a domain or an array", () => {
    const files = describeTable("public.files", {
      columns: {
        id: "bigint!",
        org_id: "bigint!",
        a: "oid",
        b: "public.lo",
        c: "public.blob",
        d: "oid[]",
        e: "oidvector",
      },
      keys: ["org_id → public.orgs"],
    });
    const domains = [{ name: "public.blob", definition: "CREATE DOMAIN public.blob AS oid NOT NULL" }];
    const schema = describeSchema([orgs, files], { domains });
    const names = ["public.orgs", "public.files"];
    const error = refusal(() => planTenantClosure(schema, catalogueOf(names)));
    expect(error).toMatchObject({
      code: "TypeUnsupported",
      details: { columns: ["public.files.a", "public.files.b", "public.files.c", "public.files.d"] },
    });
    const omittedColumns = ["a", "b", "c", "d"].map((column) => ({
      table: "public.files",
      column,
      reason: "not kept",
    }));
    expect(planTenantClosure(schema, catalogueOf(names, { omittedColumns })).tables).toHaveLength(2);
  });
});

describe("rows that point at another organization", () => {
  test("are looked for along every key that does not itself say whose the row is", () => {
    const needs = describeTable("public.needs", {
      columns: { id: "bigint!", guest_id: "bigint!" },
      keys: ["guest_id → public.guests"],
    });
    const gifts = describeTable("public.gifts", {
      columns: { id: "bigint!", org_id: "bigint!", guest_id: "bigint" },
      keys: ["org_id → public.orgs", "guest_id → public.guests"],
    });
    const { foreignRowChecks } = plan([orgs, guests, needs, gifts]);
    expect(foreignRowChecks).toEqual([
      {
        table: "public.gifts",
        key: "key_2",
        parent: "public.guests",
        countSql:
          `SELECT count(*) FROM ONLY "public"."gifts" AS t WHERE t."org_id" = $1::bigint AND t."guest_id" IS NOT NULL AND EXISTS ` +
          `(SELECT 1 FROM ONLY "public"."guests" AS p WHERE p."id" = t."guest_id" AND (p."org_id" = $1::bigint) IS NOT TRUE)`,
      },
    ]);
  });
});
