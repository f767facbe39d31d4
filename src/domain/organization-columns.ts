// Columns that hold the id of the organization whose a row is.
import type { Catalogue } from "./catalogue.ts";
import { isNotNull, typeOf } from "./column-facts.ts";
import type { Membership } from "./membership.ts";
import { byColumn, type Predicate } from "./membership-sql.ts";
import type { ForeignKey, TableDescription, TableName } from "./schema.ts";

export interface OrganizationColumn {
  readonly column: string;
  /** The foreign key that says so; null = the catalogue does. */
  readonly key: ForeignKey | null;
}

/**
 * The declared one; else those with a key to the root, or to the organization column of a table that is `found` to have
 * one. Those that are never NULL first.
 */
export function organizationColumnsOf(
  table: TableDescription,
  catalogue: Catalogue,
  found: ReadonlyMap<TableName, Membership>,
): OrganizationColumn[] {
  const declared = catalogue.organizationColumns[table.name];
  if (declared !== undefined) return [{ column: declared, key: null }];
  const columns = table.foreignKeys.flatMap((key): OrganizationColumn[] => {
    const theirs = found.get(key.referencedTable)?.organizationColumn ?? null;
    const at = theirs === null || key.referencedTable === table.name ? -1 : key.referencedColumns.indexOf(theirs);
    const column = key.columns[at];
    return column === undefined ? [] : [{ column, key }];
  });
  const distinct = columns.filter(({ column }, at) => columns.findIndex((each) => each.column === column) === at);
  const isCertain = ({ column }: OrganizationColumn): boolean => isNotNull(table, column);
  return [...distinct.filter(isCertain), ...distinct.filter((each) => !isCertain(each))];
}

/** `keyType`: of the root's key. */
export function holdsOrganization(
  table: TableDescription,
  { column, key }: OrganizationColumn,
  keyType: string,
): Predicate {
  const operator = key?.operators?.[key.columns.indexOf(column)] ?? null;
  return byColumn(column, typeOf(table, column) ?? keyType, keyType, operator);
}
