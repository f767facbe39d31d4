// Schema descriptions for tests of what needs no database.
import type { Catalogue } from "../../src/domain/catalogue.ts";
import type { ColumnDescription, ForeignKey, SchemaDescription, TableDescription } from "../../src/domain/schema.ts";

interface TableSketch {
  /** Name → type; "!" after the type = NOT NULL. */
  readonly columns: Readonly<Record<string, string>>;
  readonly primaryKey?: readonly string[];
  /** "a, b → schema.table (x, y)"; the default target is id. */
  readonly keys?: readonly string[];
  readonly more?: Partial<TableDescription>;
}

export function describeTable(name: string, { columns, primaryKey, keys = [], more }: TableSketch): TableDescription {
  return {
    name,
    kind: "table",
    partitionOf: null,
    partitionClause: null,
    columns: Object.entries(columns).map(([column, type]) => describeColumn(column, type)),
    primaryKey: primaryKey ?? ("id" in columns ? ["id"] : []),
    foreignKeys: keys.map((key, at) => describeKey(key, at)),
    constraints: [],
    indexes: [],
    rowSecurity: false,
    estimatedRows: 0,
    estimatedBytes: 0,
    ...more,
  };
}

export function describeColumn(name: string, type: string, more: Partial<ColumnDescription> = {}): ColumnDescription {
  const notNull = type.endsWith("!");
  return {
    name,
    type: type.replace(/!$/, ""),
    notNull,
    defaultSql: null,
    generated: null,
    identity: null,
    collation: null,
    ...more,
  };
}

function describeKey(text: string, at: number): ForeignKey {
  const [from = "", to = ""] = text.split(" → ");
  const [, referencedTable = "", list] = /^(.*?)(?: \((.*)\))?$/.exec(to) ?? [];
  const columns = from.split(", ");
  const referencedColumns = list?.split(", ") ?? ["id"];
  return {
    name: `key_${at + 1}`,
    columns,
    referencedTable,
    referencedColumns,
    definition: `FOREIGN KEY (${from}) REFERENCES ${to}`,
  };
}

export const describeSchema = (
  tables: readonly TableDescription[],
  more: Partial<SchemaDescription> = {},
): SchemaDescription => ({
  tables,
  enums: [],
  domains: [],
  sequences: [],
  extensions: [],
  supportingSql: [],
  ...more,
});

/** Every table that is named goes into one data set. */
export const catalogueOf = (tables: readonly string[], more: Partial<Catalogue> = {}): Catalogue => ({
  version: 1,
  name: "test",
  root: { table: "public.orgs", key: "id" },
  dataSets: [{ name: "all", title: "All", priority: 1, tables }],
  organizationColumns: {},
  polymorphic: [],
  media: [],
  references: [],
  exclusions: [],
  omittedColumns: [],
  schemas: ["public"],
  ...more,
});
