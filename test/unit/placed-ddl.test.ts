import { describe, expect, test } from "@jest/globals";
import { mayBePlaced, placeIn, placeIndex, placeReference } from "../../src/domain/placed-ddl.ts";
import type { SchemaDescription, TableDescription } from "../../src/domain/schema.ts";

const place = placeIn(
  new Map([
    ["public", "work"],
    ['a "b"', "odd"],
  ]),
);

test.each([
  ["CREATE INDEX i ON public.t USING btree (x)", 'CREATE INDEX i ON "work"."t" USING btree (x)'],
  [
    "CREATE UNIQUE INDEX \" ON public.t USING \" ON ONLY public.t USING btree (x) WHERE (y = 'ON public.t USING '::text)",
    'CREATE UNIQUE INDEX " ON public.t USING " ON ONLY "work"."t" USING btree (x) WHERE (y = \'ON public.t USING \'::text)',
  ],
])("an index is made where its table is: %s", (definition, placed) => {
  expect(placeIndex(definition, "public.t", place)).toBe(placed);
  expect(placeIndex(definition, "public.t", (table) => table)).toBe(definition);
});

test.each([
  [
    "FOREIGN KEY (a, b) REFERENCES public.t(x, y) ON DELETE SET NULL (a) DEFERRABLE",
    'FOREIGN KEY (a, b) REFERENCES "work"."t"(x, y) ON DELETE SET NULL (a) DEFERRABLE',
    "public.t",
  ],
  [
    String.raw`FOREIGN KEY ("x) REFERENCES public.t(""") REFERENCES "a ""b"""."t (1)"("y)") MATCH FULL`,
    String.raw`FOREIGN KEY ("x) REFERENCES public.t(""") REFERENCES "odd"."t (1)"("y)") MATCH FULL`,
    'a "b".t (1)',
  ],
])("a foreign key finds its parent where that is: %s", (definition, placed, parent) => {
  expect(placeReference(definition, parent, place)).toBe(placed);
});

describe("tables are not placed", () => {
  const table: TableDescription = {
    name: "public.t",
    kind: "table",
    partitionOf: null,
    partitionClause: null,
    columns: [
      {
        name: "x",
        type: "integer",
        notNull: true,
        defaultSql: "nextval('public.t_x_seq'::regclass)",
        generated: null,
        identity: null,
        collation: null,
      },
    ],
    primaryKey: ["x"],
    foreignKeys: [],
    constraints: [{ name: "t_pkey", definition: "PRIMARY KEY (x)", kind: "p" }],
    indexes: ["CREATE INDEX i ON public.t USING btree (x)"],
    rowSecurity: false,
    estimatedRows: 0,
    estimatedBytes: 0,
  };
  const schema: SchemaDescription = {
    tables: [table],
    enums: [],
    domains: [],
    sequences: [],
    extensions: [],
    supportingSql: [],
  };
  const [column] = table.columns;

  test("or rather they are, where nothing names one but keys and indexes", () => {
    expect(mayBePlaced(schema, [table])).toBe(true);
  });

  test.each<[string, Partial<TableDescription>]>([
    ["a column of a row type", { columns: [{ ...column!, type: "public.t[]" }] }],
    ["a default that names a table", { columns: [{ ...column!, defaultSql: "'public.t'::regclass" }] }],
    [
      "a check that does",
      { constraints: [{ name: "c", definition: 'CHECK ((x)::regclass <> \'"public"."t"\'::regclass)', kind: "c" }] },
    ],
    ["an index that does", { indexes: ["CREATE INDEX i ON public.t USING btree (((y).public.t))"] }],
    ["an index that is written otherwise", { indexes: ["CREATE INDEX ON public.t (x)"] }],
    ["inheritance", { inherits: ["public.s"] }],
  ])("for %s", (_, change) => {
    const changed = { ...table, ...change };
    expect(mayBePlaced(schema, [changed])).toBe(false);
  });

  test("for a function", () => {
    expect(mayBePlaced({ ...schema, supportingSql: ["CREATE FUNCTION public.f()"] }, [table])).toBe(false);
  });
});
