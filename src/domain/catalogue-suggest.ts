// A first catalogue for any schema, from its foreign keys. What they don't tell is left for a person, and named.
import type { Catalogue, ExternalId } from "./catalogue.ts";
import { BackupError } from "./errors.ts";
import type { SchemaDescription, TableDescription, TableName } from "./schema.ts";
import { findMemberships, isNotNull, ownTables, type Membership } from "./memberships.ts";
import { planClone } from "./restore/clone-plan.ts";
import { plainTypeOf } from "./restore/plain-type.ts";
import { uniqueKeysOf } from "./unique-keys.ts";
import { splitTable } from "./sql-quoting.ts";
import { holdsLargeObject } from "./tenant-closure.ts";

export interface SuggestedCatalogue {
  readonly catalogue: Catalogue;
  /** What a person should decide or look at. */
  readonly notes: readonly string[];
}

export function suggestCatalogue(
  schema: SchemaDescription,
  rootTable: TableName,
  schemas: readonly string[],
): SuggestedCatalogue {
  const tables = ownTables(schema, schemas);
  const root = tables.find((table) => table.name === rootTable);
  if (root === undefined)
    throw new BackupError("CatalogueTableMissing", `The database has no table ${rootTable}; write it as schema.table.`);
  const [key, ...more] = root.primaryKey;
  if (key === undefined || more.length > 0)
    throw new BackupError("CatalogueInvalid", `${rootTable} needs a primary key of one column to be the root.`);

  const notes: string[] = [];
  const foreign = schema.tables.filter((table) => table.kind === "foreign");
  const draft: Catalogue = {
    version: 1,
    name: splitTable(rootTable).name,
    schemas,
    root: { table: rootTable, key },
    dataSets: [],
    organizationColumns: guessOrganizationColumns(tables, root, notes),
    polymorphic: [],
    media: [],
    references: [],
    exclusions: foreign.map(({ name }) => ({ table: name, reason: "suggested: its rows lie in another server" })),
    omittedColumns: tables.flatMap(suggestOmitted),
  };
  const memberships = findMemberships(tables, draft);
  const externalIds = suggestExternalIds(schema, draft, new Set(memberships.keys()), notes);
  const members = tables.filter((table) => memberships.has(table.name));
  const others = tables.filter((table) => !memberships.has(table.name));
  for (const table of others) if (table.kind !== "foreign") notes.push(describeOther(table));
  for (const table of members) {
    notes.push(...membershipHints(table, memberships.get(table.name) as Membership, root), ...mediaHints(table));
    notes.push(...linkHints(table, memberships.get(table.name) as Membership));
  }
  for (const { name, partitionOf } of foreign)
    notes.push(
      partitionOf === null
        ? `${name}: a foreign table; its rows lie in another server and are in no backup`
        : `${name}: a partition of ${partitionOf} in another server; detach it, or exclude ${partitionOf}`,
    );
  for (const { table, column } of draft.omittedColumns)
    notes.push(`${table}.${column}: holds numbers of large objects; neither they nor their content are in a backup`);
  return {
    catalogue: {
      ...draft,
      externalIds,
      dataSets: groupByParent(members, root),
      references: others
        .filter((table) => table.kind !== "foreign")
        .filter((table) =>
          members.some((member) => member.foreignKeys.some((each) => each.referencedTable === table.name)),
        )
        .map((table) => ({
          table: table.name,
          reason: "suggested: organizations' rows point at it, it points at none",
        })),
    },
    notes,
  };
}

/** Values that no two organizations may share, and that no key explains. */
function suggestExternalIds(
  schema: SchemaDescription,
  catalogue: Catalogue,
  members: ReadonlySet<TableName>,
  notes: string[],
): ExternalId[] {
  const tables = new Map(schema.tables.map((table) => [table.name, table]));
  const uniqueIndexes = new Map(schema.tables.map((table) => [table.name, uniqueKeysOf(table)]));
  const { undeclared } = planClone({ catalogue, schema, members, uniqueIndexes });
  return undeclared.flatMap(({ table, column }): ExternalId[] => {
    const found = tables.get(table)?.columns.find((each) => each.name === column);
    const isText = plainTypeOf(schema, found?.type ?? "") === "text";
    const onClone = found?.notNull === false ? "null" : isText ? "suffix" : null;
    notes.push(
      onClone === null
        ? `${table}.${column}: no two organizations may share it, and nothing makes a new one; restored as another organization, one that has a value is refused`
        : `${table}.${column}: no two organizations may share it; restored as another organization it ${onClone === "null" ? "is left out" : "gets a suffix"} (externalIds)`,
    );
    return onClone === null ? [] : [{ table, column, onClone }];
  });
}

/** Keys that no foreign key explains are found by a copy only when they are left over. */
function linkHints(table: TableDescription, membership: Membership): string[] {
  const explained = new Set([...table.primaryKey, ...table.foreignKeys.flatMap((key) => key.columns)]);
  return table.columns
    .filter(
      ({ name, type }) => /^uuid(\[\])?$/.test(type) && !explained.has(name) && name !== membership.organizationColumn,
    )
    .map(({ name }) => `${table.name}.${name}: does it hold keys of rows? Then list it under links`);
}

/** A backup that has the number of a large object, and not the object, is refused; so these are left out, and named. */
function suggestOmitted({ name, columns, primaryKey }: TableDescription): Catalogue["omittedColumns"] {
  return columns
    .filter((column) => holdsLargeObject(column.type) && !primaryKey.includes(column.name))
    .map((column) => ({ table: name, column: column.name, reason: "suggested: numbers of large objects" }));
}

/** What the keys tell, but not for sure. */
function membershipHints(table: TableDescription, membership: Membership, root: TableDescription): string[] {
  const toRoot = table.foreignKeys.filter((key) => key.referencedTable === root.name && table.name !== root.name);
  const hints: string[] = [];
  if (toRoot.length > 1)
    hints.push(`${table.name}: several keys lead to ${root.name}; its rows are taken ${membership.reason}`);
  if (membership.role !== "root" && !isCertain(table, membership))
    hints.push(
      `${table.name}: belongs ${membership.reason}; these may be NULL, and a row in which all are NULL is in no backup`,
    );
  return hints;
}

function isCertain(table: TableDescription, { organizationColumn, parents }: Membership): boolean {
  if (organizationColumn !== null) return isNotNull(table, organizationColumn);
  return table.foreignKeys.some(
    (key) => parents.includes(key.referencedTable) && key.columns.every((name) => isNotNull(table, name)),
  );
}

/** A column of the root key's type, named like the root or like others' keys to it, without a foreign key. */
function guessOrganizationColumns(
  tables: readonly TableDescription[],
  root: TableDescription,
  notes: string[],
): Record<TableName, string> {
  const singular = splitTable(root.name).name.replace(/ies$/, "y").replace(/s$/, "");
  const keyType = root.columns.find((column) => column.name === root.primaryKey[0])?.type;
  const names = new Set([`${singular}_id`, `${singular}Id`]);
  for (const table of tables) {
    for (const key of table.foreignKeys) {
      const column = key.columns[key.referencedColumns.indexOf(root.primaryKey[0] as string)];
      if (key.referencedTable === root.name && table.name !== root.name && column !== undefined) names.add(column);
    }
  }
  const guessed: Record<TableName, string> = {};
  for (const table of tables) {
    if (table.name === root.name || table.foreignKeys.some((key) => key.referencedTable === root.name)) continue;
    const column = table.columns.find((each) => names.has(each.name) && each.type === keyType);
    if (column === undefined) continue;
    guessed[table.name] = column.name;
    notes.push(
      `${table.name}.${column.name} is taken for the organization's column by its name; no foreign key says so`,
    );
  }
  return guessed;
}

function describeOther(table: TableDescription): string {
  const typed = table.columns.find(
    (column) =>
      column.name.endsWith("_type") && table.columns.some((id) => id.name === column.name.replace(/_type$/, "_id")),
  );
  return typed === undefined
    ? `${table.name}: no foreign key leads to the root; a reference (shared), an exclusion, or an organization column?`
    : `${table.name}: looks polymorphic by ${typed.name}; declare its targets under polymorphic and put it into a data set`;
}

function mediaHints(table: TableDescription): string[] {
  return table.columns
    .filter(
      (column) =>
        /(^|_)(path|file|filename|object_key|storage_key)$/.test(column.name) &&
        /^(text|character varying)/.test(column.type),
    )
    .map(
      (column) =>
        `${table.name}.${column.name}: does it name files? Then list it under media, and say by mediaFolder where an organization's lie`,
    );
}

/** One data set for each table that hangs on the root itself, with what hangs on it. */
function groupByParent(members: readonly TableDescription[], root: TableDescription): Catalogue["dataSets"] {
  const byName = new Map(members.map((table) => [table.name, table]));
  const leaderOf = new Map<TableName, TableName>([[root.name, root.name]]);
  const lead = (table: TableDescription, seen: ReadonlySet<TableName>): TableName => {
    const known = leaderOf.get(table.name);
    if (known !== undefined) return known;
    const parents = table.foreignKeys
      .map((key) => key.referencedTable)
      .filter((name) => byName.has(name) && name !== root.name && name !== table.name && !seen.has(name));
    const isDirect = table.foreignKeys.some((key) => key.referencedTable === root.name);
    const parent = isDirect ? undefined : parents.map((name) => byName.get(name) as TableDescription)[0];
    const leader = parent === undefined ? table.name : lead(parent, new Set([...seen, table.name]));
    leaderOf.set(table.name, leader);
    return leader;
  };
  const groups = new Map<TableName, TableName[]>();
  for (const table of members) {
    const leader = lead(table, new Set([table.name]));
    groups.set(leader, [...(groups.get(leader) ?? []), table.name]);
  }
  const used = new Set<string>();
  return [...groups].map(([leader, tables]) => {
    const base = splitTable(leader)
      .name.toLowerCase()
      .replaceAll(/[^a-z0-9_-]+/g, "_");
    let name = base;
    for (let number = 2; used.has(name); number++) name = `${base}_${number}`;
    used.add(name);
    return { name, title: splitTable(leader).name, priority: leader === root.name ? 1 : 2, tables };
  });
}

/** YAML by hand, because comments carry the questions. Values are written as JSON, which is YAML. */
export function writeCatalogue(catalogue: Catalogue, notes: readonly string[]): string {
  const {
    version,
    name,
    schemas,
    root,
    dataSets,
    organizationColumns,
    polymorphic,
    media,
    references,
    exclusions,
    omittedColumns,
    externalIds = [],
    links = [],
  } = catalogue;
  const list = (title: string, entries: readonly unknown[]): string =>
    entries.length === 0
      ? `${title}: []`
      : `${title}:\n${entries.map((entry) => `  - ${JSON.stringify(entry)}`).join("\n")}`;
  return `${[
    `# Suggested from the foreign keys. Check every line; then: wedsync-backup catalogue check`,
    ...notes.map((note) => `# look at: ${note.replaceAll(/\s+/g, " ")}`), // a name may hold line breaks
    `version: ${version}`,
    `name: ${JSON.stringify(name)}`,
    `schemas: ${JSON.stringify(schemas)}`,
    `root: ${JSON.stringify(root)}`,
    list("dataSets", dataSets),
    `organizationColumns: ${JSON.stringify(organizationColumns)}`,
    list("polymorphic", polymorphic),
    list("media", media),
    list("references", references),
    list("exclusions", exclusions),
    list("omittedColumns", omittedColumns),
    list("externalIds", externalIds),
    list("links", links),
  ].join("\n")}\n`;
}
