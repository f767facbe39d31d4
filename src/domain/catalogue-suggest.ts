// A first catalogue for any schema, from its foreign keys. What they don't tell is left for a person, and named.
import type { Catalogue, ExternalId } from "./catalogue.ts";
import { askAboutMember, askAboutOther } from "./catalogue-questions.ts";
import { BackupError } from "./errors.ts";
import type { SchemaDescription, TableDescription, TableName } from "./schema.ts";
import { findMemberships } from "./find-memberships.ts";
import type { Membership } from "./membership.ts";
import { findOutsideTables } from "./outside-tables.ts";
import { ownTables } from "./own-tables.ts";
import { planClone } from "./restore/clone-plan.ts";
import { plainTypeOf } from "./restore/plain-type.ts";
import { uniqueKeysOf } from "./unique-keys.ts";
import { splitTable } from "./sql-quoting.ts";
import { groupByParent } from "./suggested-data-sets.ts";
import { holdsLargeObject } from "./uncarried-types.ts";

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
    throw new BackupError(
      "CatalogueTableMissing",
      `The database has no table ${rootTable} in ${schemas.join(", ")}. Write it as schema.table, without quotation marks, in the case that the database has.`,
    );
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
  for (const table of others) if (table.kind !== "foreign") notes.push(askAboutOther(table));
  for (const table of members) notes.push(...askAboutMember(table, memberships.get(table.name) as Membership, root));
  for (const { name, partitionOf } of foreign)
    notes.push(
      partitionOf === null
        ? `${name}: a foreign table; its rows lie in another server and are in no backup`
        : `${name}: a partition of ${partitionOf} in another server; detach it, or exclude ${partitionOf}`,
    );
  for (const { name, schema: home, leadsTo } of findOutsideTables(schema, memberships))
    notes.push(
      `${name}: hangs on ${leadsTo.join(", ")}, but its schema was not looked at; suggest again with ${[...schemas, home].map((each) => `--schema ${each}`).join(" ")}, or exclude it`,
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

/** A backup that has the number of a large object, and not the object, is refused; so these are left out, and named. */
function suggestOmitted({ name, columns, primaryKey }: TableDescription): Catalogue["omittedColumns"] {
  return columns
    .filter((column) => holdsLargeObject(column.type) && !primaryKey.includes(column.name))
    .map((column) => ({ table: name, column: column.name, reason: "suggested: numbers of large objects" }));
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
