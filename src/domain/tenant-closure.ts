// Which rows are an organization's: every table of the app's schemas gets exactly one role, with the SQL that reads its
// rows, or the run fails and names it. Pure: from a schema description and the catalogue.
//
//   root        the organizations themselves
//   direct      has the organization's column
//   indirect    by a foreign key that is never NULL to a table that has a role; else by any of its nullable ones
//   self        like that, and its rows hang on each other
//   polymorphic declared: a type column tells which table an id column points into
//   reference   shared by all, not stored        excluded   declared, with a reason
import type {
  Catalogue,
  ClosureTable,
  PolymorphicTable,
  TableClassification,
  TableRole,
  TenantClosure,
} from "./catalogue.ts";
import { checkCatalogue } from "./catalogue-check.ts";
import { BackupError } from "./errors.ts";
import type { ForeignKey, SchemaDescription, TableDescription, TableName } from "./schema.ts";
import { quoteIdentifier, quoteTable, splitTable } from "./sql-quoting.ts";

interface Membership {
  readonly role: TableRole;
  readonly reason: string;
  /** SQL that is true for the organization's rows of the table under `alias`. */
  readonly predicate: (alias: string) => string;
  readonly dependsOn: readonly TableName[];
}

/** @throws CatalogueTableMissing, CatalogueInvalid, TableUnclassified; each names everything that is wrong at once. */
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
  const tables = ownTables(schema, catalogue);
  const memberships = findMemberships(tables, catalogue);
  const dataSetOf = new Map(
    catalogue.dataSets.flatMap((dataSet) => dataSet.tables.map((table) => [table, dataSet] as const)),
  );
  refuseUnclassified(tables, memberships, dataSetOf, catalogue);

  const order = parentsFirst(tables);
  const priority = (table: TableName): number =>
    table === catalogue.root.table ? -1 : (dataSetOf.get(table)?.priority ?? 0);
  const closure = tables
    .filter(({ name }) => dataSetOf.has(name))
    .map((table) =>
      describeTable(table, memberships.get(table.name) as Membership, dataSetOf.get(table.name)?.name ?? "", catalogue),
    )
    .sort((a, b) => priority(a.table) - priority(b.table) || (order.get(a.table) ?? 0) - (order.get(b.table) ?? 0));
  return {
    catalogue,
    tables: closure,
    classifications: [
      ...closure.map(({ table, role, dataSet, reason }) => ({ table, role, dataSet, reason })),
      ...declaredClassifications(tables, catalogue),
    ],
    mediaSql: catalogue.media.map(({ table, column }) => {
      const path = `t.${quoteIdentifier(column)}`;
      const predicate = (memberships.get(table) as Membership).predicate("t");
      return {
        table,
        column,
        sql: `SELECT DISTINCT ${path} AS path FROM ${quoteTable(table)} AS t WHERE ${predicate} AND ${path} IS NOT NULL`,
      };
    }),
  };
}

/** The app's tables; partitions are read through their parent. */
function ownTables(schema: SchemaDescription, catalogue: Catalogue): readonly TableDescription[] {
  return schema.tables.filter(
    (table) => table.partitionOf === null && catalogue.schemas.includes(splitTable(table.name).schema),
  );
}

/** Roles of all tables that the catalogue and the foreign keys explain. Exported for `catalogue suggest`. */
export function findMemberships(
  tables: readonly TableDescription[],
  catalogue: Catalogue,
): ReadonlyMap<TableName, Membership> {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const setAside = new Set([...catalogue.references, ...catalogue.exclusions].map((entry) => entry.table));
  const polymorphic = new Map(catalogue.polymorphic.map((entry) => [entry.table, entry]));
  const found = new Map<TableName, Membership>();
  const root = byName.get(catalogue.root.table) as TableDescription;
  const keyType = root.columns.find((column) => column.name === catalogue.root.key)?.type ?? "text";
  const equalsOrganization = (alias: string, column: string): string =>
    `${alias}.${quoteIdentifier(column)} = $1::${keyType}`;

  found.set(root.name, {
    role: "root",
    reason: "the organizations",
    predicate: (alias) => equalsOrganization(alias, catalogue.root.key),
    dependsOn: [],
  });
  for (const table of tables) {
    if (setAside.has(table.name) || found.has(table.name)) continue;
    const column = organizationColumn(table, catalogue);
    if (column === null) continue;
    found.set(table.name, {
      role: "direct",
      reason: `by ${column}`,
      predicate: (alias) => equalsOrganization(alias, column),
      dependsOn: [],
    });
  }
  // Shortest certain path first: a round uses only what earlier rounds found. Uncertain paths come when no certain is left.
  for (let grown = true; grown;) {
    const open = tables.filter((table) => !setAside.has(table.name) && !found.has(table.name));
    let round = open.flatMap((table) => certainMembership(table, byName, found, polymorphic.get(table.name)) ?? []);
    if (round.length === 0) round = open.flatMap((table) => uncertainMembership(table, found) ?? []).slice(0, 1);
    for (const [name, membership] of round) found.set(name, membership);
    grown = round.length > 0;
  }
  return found;
}

function organizationColumn(table: TableDescription, { root, organizationColumns }: Catalogue): string | null {
  const declared = organizationColumns[table.name];
  if (declared !== undefined) return declared;
  const candidates = table.foreignKeys
    .filter(
      (key) =>
        key.referencedTable === root.table &&
        key.referencedColumns.length === 1 &&
        key.referencedColumns[0] === root.key,
    )
    .map((key) => key.columns[0] as string);
  const neverNull = candidates.find(
    (candidate) => table.columns.find((column) => column.name === candidate)?.notNull === true,
  );
  return neverNull ?? candidates[0] ?? null;
}

type Found = [TableName, Membership][];

function certainMembership(
  table: TableDescription,
  byName: ReadonlyMap<TableName, TableDescription>,
  found: ReadonlyMap<TableName, Membership>,
  declared: PolymorphicTable | undefined,
): Found | null {
  if (declared !== undefined) {
    const targets = Object.entries(declared.targets);
    if (!targets.every(([, target]) => found.has(target))) return null;
    const dependsOn = targets.flatMap(([, target]) => [target, ...(found.get(target)?.dependsOn ?? [])]);
    const predicate = (alias: string): string => {
      const branches = targets.map(([type, target]) =>
        polymorphicBranch(alias, table, declared, type, byName.get(target) as TableDescription, found),
      );
      return `(${branches.join(" OR ")})`;
    };
    return [
      [
        table.name,
        {
          role: "polymorphic",
          reason: `by ${declared.typeColumn} and ${declared.idColumn}`,
          predicate,
          dependsOn: unique(dependsOn),
        },
      ],
    ];
  }
  const path = table.foreignKeys.find(
    (key) =>
      key.referencedTable !== table.name &&
      found.has(key.referencedTable) &&
      key.columns.every((name) => isNotNull(table, name)),
  );
  return path === undefined ? null : [[table.name, indirect(path, found)]];
}

function uncertainMembership(table: TableDescription, found: ReadonlyMap<TableName, Membership>): Found | null {
  const paths = table.foreignKeys
    .filter((key) => key.referencedTable !== table.name && found.has(key.referencedTable))
    .map((key) => indirect(key, found));
  if (paths.length === 0) return null;
  const anyPath = (alias: string): string => `(${paths.map((path) => path.predicate(alias)).join(" OR ")})`;
  const dependsOn = unique(paths.flatMap((path) => path.dependsOn));
  const self = table.foreignKeys.find((key) => key.referencedTable === table.name);
  const reason = paths.map((path) => path.reason).join(", or ");
  if (self === undefined) return [[table.name, { role: "indirect", reason, predicate: anyPath, dependsOn }]];
  const predicate = (alias: string): string => reachableFrom(alias, table, self, anyPath);
  return [
    [
      table.name,
      { role: "self", reason: `${reason}, and rows below those`, predicate, dependsOn: [...dependsOn, table.name] },
    ],
  ];
}

function indirect(key: ForeignKey, found: ReadonlyMap<TableName, Membership>): Membership {
  const parent = found.get(key.referencedTable) as Membership;
  return {
    role: "indirect",
    reason: `by ${key.columns.join(", ")} through ${key.referencedTable}`,
    predicate: (alias) => {
      const inner = `${alias}p`;
      const joined = key.columns.map((column, index) => {
        return `${inner}.${quoteIdentifier(key.referencedColumns[index] as string)} = ${alias}.${quoteIdentifier(column)}`;
      });
      return `EXISTS (SELECT 1 FROM ${quoteTable(key.referencedTable)} AS ${inner} WHERE ${[...joined, parent.predicate(inner)].join(" AND ")})`;
    },
    dependsOn: unique([key.referencedTable, ...parent.dependsOn]),
  };
}

function polymorphicBranch(
  alias: string,
  table: TableDescription,
  { typeColumn, idColumn }: PolymorphicTable,
  type: string,
  target: TableDescription,
  found: ReadonlyMap<TableName, Membership>,
): string {
  const inner = `${alias}p`;
  const key = target.primaryKey[0] as string;
  const sameType = typeOf(table, idColumn) === typeOf(target, key);
  // Of different types, both as text: a cast the other way could fail on an id that means another table.
  const cast = sameType ? "" : "::text";
  const same = `${inner}.${quoteIdentifier(key)}${cast} = ${alias}.${quoteIdentifier(idColumn)}${cast}`;
  const member = (found.get(target.name) as Membership).predicate(inner);
  const isType = `${alias}.${quoteIdentifier(typeColumn)}::text = '${type.replaceAll("'", "''").replaceAll("$", "")}'`;
  return `(${isType} AND EXISTS (SELECT 1 FROM ${quoteTable(target.name)} AS ${inner} WHERE ${same} AND ${member}))`;
}

/** Rows that a path reaches, and rows below them by the table's reference to itself. */
function reachableFrom(
  alias: string,
  table: TableDescription,
  self: ForeignKey,
  anyPath: (alias: string) => string,
): string {
  const columns = (prefix: string, names: readonly string[]): string =>
    names.map((name) => `${prefix}${quoteIdentifier(name)}`).join(", ");
  const target = self.referencedColumns;
  const below = self.columns
    .map((column, index) => `below.${quoteIdentifier(column)} = reached.${quoteIdentifier(target[index] as string)}`)
    .join(" AND ");
  const from = quoteTable(table.name);
  return (
    `(${columns(`${alias}.`, target)}) IN (WITH RECURSIVE reached AS (` +
    `SELECT ${columns("start.", target)} FROM ${from} AS start WHERE ${anyPath("start")} ` +
    `UNION SELECT ${columns("below.", target)} FROM ${from} AS below JOIN reached ON ${below}) SELECT ${columns("", target)} FROM reached)`
  );
}

function refuseUnclassified(
  tables: readonly TableDescription[],
  memberships: ReadonlyMap<TableName, Membership>,
  dataSetOf: ReadonlyMap<TableName, unknown>,
  catalogue: Catalogue,
): void {
  const setAside = new Set([...catalogue.references, ...catalogue.exclusions].map((entry) => entry.table));
  const unexplained: string[] = [];
  for (const { name } of tables) {
    if (setAside.has(name)) continue;
    if (!memberships.has(name)) unexplained.push(`${name}: no foreign key leads from it to ${catalogue.root.table}`);
    else if (!dataSetOf.has(name))
      unexplained.push(`${name}: belongs to an organization (${memberships.get(name)?.reason}), but is in no data set`);
  }
  if (unexplained.length === 0) return;
  throw new BackupError(
    "TableUnclassified",
    `The catalogue ${catalogue.name} does not say what these tables are:\n- ${unexplained.join("\n- ")}\nPut each into a data set, or declare it polymorphic, a reference or an exclusion (see: wedsync-backup catalogue check).`,
    { tables: unexplained.map((line) => line.split(":")[0] as string) },
  );
}

function describeTable(
  table: TableDescription,
  membership: Membership,
  dataSet: string,
  catalogue: Catalogue,
): ClosureTable {
  const omitted = new Set(
    catalogue.omittedColumns.filter((entry) => entry.table === table.name).map((entry) => entry.column),
  );
  const stored = table.columns
    .filter((column) => column.generated === null && !omitted.has(column.name))
    .map((column) => column.name);
  const columns = [...table.primaryKey, ...stored.filter((name) => !table.primaryKey.includes(name))];
  const where = `FROM ${quoteTable(table.name)} AS t WHERE ${membership.predicate("t")}`;
  return {
    table: table.name,
    role: membership.role,
    dataSet,
    reason: membership.reason,
    columns,
    keyColumnCount: table.primaryKey.length,
    rowsSql: `SELECT ${columns.map((name) => `t.${quoteIdentifier(name)}`).join(", ")} ${where}`,
    changesSql: `SELECT count(*) AS rows, count(*) FILTER (WHERE age(t.xmin) <= age($2::xid)) AS recent ${where}`,
    dependsOn: membership.dependsOn,
    estimatedBytes: table.estimatedBytes,
  };
}

function declaredClassifications(tables: readonly TableDescription[], catalogue: Catalogue): TableClassification[] {
  const known = new Set(tables.map((table) => table.name));
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

const typeOf = (table: TableDescription, name: string): string | undefined =>
  table.columns.find((column) => column.name === name)?.type;
const isNotNull = (table: TableDescription, name: string): boolean =>
  table.columns.find((column) => column.name === name)?.notNull === true;
const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
