// Whether a catalogue fits a schema: everything that is wrong, at once.
import type { Catalogue } from "./catalogue.ts";
import type { SchemaDescription, TableName } from "./schema.ts";

export interface CatalogueProblem {
  readonly code: "CatalogueTableMissing" | "CatalogueInvalid";
  readonly message: string;
}

export function checkCatalogue(schema: SchemaDescription, catalogue: Catalogue): CatalogueProblem[] {
  const tables = new Map(schema.tables.map((table) => [table.name, table]));
  const problems: CatalogueProblem[] = [];
  const missing = (message: string): void => void problems.push({ code: "CatalogueTableMissing", message });
  const invalid = (message: string): void => void problems.push({ code: "CatalogueInvalid", message });

  const needTable = (table: TableName, use: string): boolean => {
    if (tables.has(table)) return true;
    const home = table.slice(0, Math.max(table.indexOf("."), 0));
    missing(
      home === "" || catalogue.schemas.includes(home)
        ? `${use}: the database has no table ${table}`
        : `${use}: ${table} lies in the schema ${home}, which is not among the catalogue's schemas (${catalogue.schemas.join(", ")})`,
    );
    return false;
  };
  const needColumn = (table: TableName, column: string, use: string): void => {
    if (needTable(table, use) && !tables.get(table)?.columns.some((each) => each.name === column)) {
      missing(`${use}: ${table} has no column ${column}`);
    }
  };

  for (const name of catalogue.schemas)
    if (name.includes(".")) invalid(`schema ${name}: the names of schemas with a dot can't be told from tables`);
  needColumn(catalogue.root.table, catalogue.root.key, "root");
  if (catalogue.organizationName !== undefined)
    needColumn(catalogue.root.table, catalogue.organizationName, "organization name");
  for (const { name, tables: names } of catalogue.dataSets)
    for (const table of names) {
      const parent = needTable(table, `data set ${name}`) ? tables.get(table)?.partitionOf : null;
      if (parent && tables.has(parent))
        invalid(`data set ${name}: ${table} is a partition of ${parent}; name that instead`);
    }
  for (const [table, column] of Object.entries(catalogue.organizationColumns))
    needColumn(table, column, "organization column");
  for (const { table, column } of catalogue.media) needColumn(table, column, "media");
  for (const { table, column } of catalogue.omittedColumns) {
    needColumn(table, column, "omitted column");
    if (tables.get(table)?.primaryKey.includes(column))
      invalid(`omitted column: ${table}.${column} is part of the primary key`);
  }
  for (const { table, column } of catalogue.masks ?? []) needColumn(table, column, "mask");
  for (const { table, column, onClone } of catalogue.externalIds ?? []) {
    needColumn(table, column, "external id");
    const found = tables.get(table)?.columns.find((each) => each.name === column);
    if (onClone === "null" && found?.notNull === true)
      invalid(`external id: ${table}.${column} is NOT NULL, and can't be left out of a copy`);
  }
  for (const { table, column, target, path, memberNames } of catalogue.links ?? []) {
    needColumn(table, column, "link");
    const type = tables.get(table)?.columns.find((each) => each.name === column)?.type ?? "jsonb";
    if ((path !== undefined || memberNames === true) && !/^jsonb?$/.test(type))
      invalid(`link: ${table}.${column} is no json, and has no path into it`);
    if (target === undefined) {
      if (path !== undefined || memberNames === true)
        invalid(`link: ${table}.${column} has a path, and needs a target`);
    } else if (needTable(target, `link ${table}.${column}`) && tables.get(target)?.primaryKey.length !== 1)
      invalid(`link: ${target}, which ${table}.${column} links to, needs a primary key of one column`);
  }
  const outside = new Set(schema.outside?.map(({ table }) => table));
  for (const { table } of catalogue.references) if (!outside.has(table)) needTable(table, "reference");
  for (const { table } of catalogue.exclusions) if (!outside.has(table)) needTable(table, "exclusion");
  for (const { table, typeColumn, idColumn, targets } of catalogue.polymorphic) {
    needColumn(table, typeColumn, "polymorphic");
    needColumn(table, idColumn, "polymorphic");
    for (const target of Object.values(targets)) {
      if (needTable(target, `polymorphic ${table}`) && tables.get(target)?.primaryKey.length !== 1) {
        invalid(`polymorphic ${table}: ${target} needs a primary key of one column`);
      }
    }
  }

  const places = new Map<TableName, string[]>();
  const place = (table: TableName, where: string): void =>
    void places.set(table, [...(places.get(table) ?? []), where]);
  for (const { name, tables: names } of catalogue.dataSets) for (const table of names) place(table, `data set ${name}`);
  for (const { table } of catalogue.references) place(table, "references");
  for (const { table } of catalogue.exclusions) place(table, "exclusions");
  for (const [table, where] of places)
    if (where.length > 1) invalid(`${table} is listed more than once: ${where.join(", ")}`);
  if (!places.get(catalogue.root.table)?.some((where) => where.startsWith("data set")))
    invalid(`the root ${catalogue.root.table} is in no data set`);
  const covered = new Set(catalogue.dataSets.flatMap((dataSet) => dataSet.tables));
  for (const { table } of catalogue.media) if (!covered.has(table)) invalid(`media: ${table} is in no data set`);
  return problems;
}
