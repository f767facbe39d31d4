// How a table's rows are told to be an organization's.
import type { TableRole } from "./catalogue.ts";
import type { Predicate } from "./membership-sql.ts";
import type { ForeignKey, TableName } from "./schema.ts";

export interface Membership {
  readonly role: TableRole;
  readonly reason: string;
  /** SQL that is true for the organization's rows of the table. */
  readonly predicate: Predicate;
  /** Other tables that the predicate reads itself. */
  readonly parents: readonly TableName[];
  /** The foreign key through which every row belongs, where there is just this way; else null. */
  readonly hangsOn: ForeignKey | null;
  /** The column that holds the organization's id in every row; else null. */
  readonly organizationColumn: string | null;
}

/** Every table through which rows of `table` are reached; when one of them changed, membership may have, too. */
export function dependenciesOf(
  table: TableName,
  memberships: ReadonlyMap<TableName, Membership>,
  seen = new Set<TableName>(),
): TableName[] {
  for (const parent of memberships.get(table)?.parents ?? []) {
    if (seen.has(parent)) continue;
    seen.add(parent);
    dependenciesOf(parent, memberships, seen);
  }
  return [...seen];
}
