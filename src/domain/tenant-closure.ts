// Which rows are an organization's: every table of the app's schemas gets exactly one role, with the SQL that reads its
// rows, or the run fails and names it. Pure: from a schema description and the catalogue.
//
//   root        the organizations themselves
//   direct      has the organization's column
//   indirect    by a foreign key that is never NULL to a table that has a role; else by any of its nullable ones
//   self        like that, and its rows hang on each other
//   polymorphic declared: a type column tells which table an id column points into
//   reference   shared by all, not stored        excluded   declared, with a reason
import type { Catalogue, ClosureTable, TableClassification, TenantClosure } from "./catalogue.ts";
import { checkCatalogue } from "./catalogue-check.ts";
import { isNotNull } from "./column-facts.ts";
import { BackupError } from "./errors.ts";
import { findForeignRowChecks } from "./foreign-rows.ts";
import { findMemberships } from "./find-memberships.ts";
import { describeJoined, isRecent } from "./joined-rows.ts";
import { dependenciesOf, type Membership } from "./membership.ts";
import { fromTable } from "./membership-sql.ts";
import { findOutsideTables } from "./outside-tables.ts";
import { ownTables } from "./own-tables.ts";
import type { SchemaDescription, TableDescription, TableName } from "./schema.ts";
import { quoteIdentifier } from "./sql-quoting.ts";
import { refuseUncarried } from "./uncarried-types.ts";

/** @throws CatalogueTableMissing, CatalogueInvalid, TableUnclassified, TypeUnsupported; each names everything at once. */
export function planTenantClosure(schema: SchemaDescription, catalogue: Catalogue): TenantClosure {
  const problems = checkCatalogue(schema, catalogue);
  const [problem] = problems;
  if (problem !== undefined) {
    throw new BackupError(
      problem.code,
      `The catalogue ${catalogue.name} does not fit the database:\n- ${problems.map((each) => each.message).join("\n- ")}`,
      {
        problems: problems.map((each) => each.message),
      },
    );
  }
  const tables = ownTables(schema, catalogue.schemas);
  const byName = new Map(tables.map((table) => [table.name, table]));
  const memberships = findMemberships(tables, catalogue);
  const dataSetOf = new Map(
    catalogue.dataSets.flatMap((dataSet) => dataSet.tables.map((table) => [table, dataSet] as const)),
  );
  refuseUnclassified(schema, tables, memberships, dataSetOf, catalogue);

  const order = parentsFirst(tables);
  const priority = (table: TableName): number =>
    table === catalogue.root.table ? -1 : (dataSetOf.get(table)?.priority ?? 0);
  const stored = tables.filter(({ name }) => dataSetOf.has(name));
  refuseUncarried(schema, stored, catalogue);
  const closure = stored
    .map((table) => describeTable(table, memberships, byName, dataSetOf.get(table.name)?.name ?? "", catalogue))
    .sort((a, b) => priority(a.table) - priority(b.table) || (order.get(a.table) ?? 0) - (order.get(b.table) ?? 0));
  return {
    catalogue,
    tables: closure,
    classifications: [
      ...closure.map(({ table, role, dataSet, reason }) => ({ table, role, dataSet, reason })),
      ...declaredClassifications(schema, tables, catalogue),
    ],
    foreignRowChecks: findForeignRowChecks(stored, memberships),
    mediaSql: catalogue.media.map(({ table, column }) => {
      const path = `t.${quoteIdentifier(column)}`;
      const predicate = (memberships.get(table) as Membership).predicate("t");
      const from = fromTable(byName.get(table) as TableDescription);
      return {
        table,
        column,
        sql: `SELECT DISTINCT ${path} AS path FROM ${from} AS t WHERE ${predicate} AND ${path} IS NOT NULL`,
      };
    }),
  };
}

function refuseUnclassified(
  schema: SchemaDescription,
  tables: readonly TableDescription[],
  memberships: ReadonlyMap<TableName, Membership>,
  dataSetOf: ReadonlyMap<TableName, unknown>,
  catalogue: Catalogue,
): void {
  const setAside = new Set([...catalogue.references, ...catalogue.exclusions].map((entry) => entry.table));
  const unexplained: { name: TableName; why: string }[] = [];
  for (const { name, kind, partitionOf } of schema.tables) {
    if (kind !== "foreign" || setAside.has(name)) continue;
    const place = partitionOf === null ? "declare it an exclusion" : `detach it from ${partitionOf}, or exclude that`;
    unexplained.push({ name, why: `its rows lie in another server, which a snapshot does not reach; ${place}` });
  }
  for (const { name, kind, foreignKeys } of tables) {
    if (setAside.has(name) || kind === "foreign") continue;
    if (memberships.has(name)) {
      if (!dataSetOf.has(name))
        unexplained.push({
          name,
          why: `belongs to an organization (${memberships.get(name)?.reason}), but is in no data set`,
        });
      continue;
    }
    const others = foreignKeys.map((key) => key.referencedTable).filter((other) => other !== name);
    const why = others.some((other) => !setAside.has(other))
      ? `only keys that may be NULL lead from it, through ${others.join(", ")}, and in a circle or to nowhere; name its organization column`
      : `no foreign key leads from it to ${catalogue.root.table}`;
    unexplained.push({ name, why });
  }
  for (const { name, schema: home, leadsTo } of findOutsideTables(schema, memberships)) {
    if (setAside.has(name)) continue;
    const why = `hangs on ${leadsTo.join(", ")}, but the schema ${home} is not among the catalogue's schemas; add that, or declare the table an exclusion`;
    unexplained.push({ name, why });
  }
  if (unexplained.length === 0) return;
  throw new BackupError(
    "TableUnclassified",
    `The catalogue ${catalogue.name} does not say what these tables are:\n- ${unexplained.map(({ name, why }) => `${name}: ${why}`).join("\n- ")}\nPut each into a data set, or declare it polymorphic, a reference or an exclusion (\`wedsync-backup catalogue suggest --root ${catalogue.root.table}\` says what each looks like).`,
    { tables: unexplained.map(({ name }) => name) },
  );
}

function describeTable(
  table: TableDescription,
  memberships: ReadonlyMap<TableName, Membership>,
  tables: ReadonlyMap<TableName, TableDescription>,
  dataSet: string,
  catalogue: Catalogue,
): ClosureTable {
  const omitted = new Set(
    catalogue.omittedColumns.filter((entry) => entry.table === table.name).map((entry) => entry.column),
  );
  const stored = table.columns
    .filter((column) => column.generated === null && !omitted.has(column.name))
    .map((column) => column.name);
  // A key with a generated column can't be written back as it was read: then the whole row counts as key.
  const key = table.primaryKey.every((name) => stored.includes(name)) ? table.primaryKey : [];
  const columns = [...key, ...stored.filter((name) => !key.includes(name))];
  const membership = memberships.get(table.name) as Membership;
  const where = `FROM ${fromTable(table)} AS t WHERE ${membership.predicate("t")}`;
  const list = (names: readonly string[]): string => names.map((name) => `t.${quoteIdentifier(name)}`).join(", ");
  return {
    table: table.name,
    role: membership.role,
    dataSet,
    reason: membership.reason,
    columns,
    keyColumnCount: key.length,
    rowsSql: `SELECT ${list(columns)} ${where}`,
    changesSql: `SELECT count(*) AS rows, count(*) FILTER (WHERE ${isRecent("t")}) AS recent ${where}`,
    changedRowsSql: `SELECT ${list(columns)} ${where} AND ${isRecent("t")}`,
    keysSql: key.length === 0 ? null : `SELECT ${list(key)} ${where}`,
    joined: describeJoined(table, memberships, tables),
    dependsOn: dependenciesOf(table.name, memberships),
    estimatedBytes: table.estimatedBytes,
  };
}

function declaredClassifications(
  schema: SchemaDescription,
  tables: readonly TableDescription[],
  catalogue: Catalogue,
): TableClassification[] {
  const known = new Set([...tables.map(({ name }) => name), ...(schema.outside ?? []).map(({ table }) => table)]);
  const declared = [
    ...catalogue.references.map((entry) => ({ ...entry, role: "reference" as const })),
    ...catalogue.exclusions.map((entry) => ({ ...entry, role: "excluded" as const })),
  ];
  return declared
    .filter(({ table }) => known.has(table))
    .map(({ table, role, reason }) => ({ table, role, dataSet: null, reason }));
}

/** Position of each table when parents come before children; circles are broken at the table that comes first by name. */
export function parentsFirst(tables: readonly TableDescription[]): ReadonlyMap<TableName, number> {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const order = new Map<TableName, number>();
  const visiting = new Set<TableName>();
  const visit = (table: TableDescription): void => {
    if (order.has(table.name) || visiting.has(table.name)) return;
    visiting.add(table.name);
    // Nullable references can be filled in later, so only certain ones make an order.
    for (const key of table.foreignKeys) {
      const parent = byName.get(key.referencedTable);
      if (parent !== undefined && key.columns.every((name) => isNotNull(table, name))) visit(parent);
    }
    order.set(table.name, order.size);
  };
  for (const table of [...tables].sort((a, b) => (a.name < b.name ? -1 : 1))) visit(table);
  return order;
}
