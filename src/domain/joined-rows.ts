// Rows that came to an organization with their parent, untouched themselves: neither a transaction id nor a count of one
// table tells of them.
import type { ClosureTable } from "./catalogue.ts";
import type { Membership } from "./membership.ts";
import { fromTable, joinKey } from "./membership-sql.ts";
import type { TableDescription, TableName } from "./schema.ts";
import { quoteIdentifier } from "./sql-quoting.ts";

/** SQL that is true for rows that are not older than transaction $2. */
export const isRecent = (alias: string): string => `age(${alias}.xmin) <= age($2::xid)`;

/**
 * Null where there are several ways by which rows belong, or where what they hang on may pass from one parent to another
 * (a key that is not the primary one).
 */
export function describeJoined(
  table: TableDescription,
  memberships: ReadonlyMap<TableName, Membership>,
  tables: ReadonlyMap<TableName, TableDescription>,
): ClosureTable["joined"] {
  const key = memberships.get(table.name)?.hangsOn ?? null;
  const parent = key === null ? undefined : tables.get(key.referencedTable);
  if (key === null || parent === undefined) return null;
  if (key.referencedColumns.join("\0") !== parent.primaryKey.join("\0")) return null;
  const isMember = (memberships.get(parent.name) as Membership).predicate("p");
  const columns = parent.primaryKey.map((name) => `p.${quoteIdentifier(name)}`).join(", ");
  // The limit is no limit: it tells the planner that these are few, so that it looks for their children by an index.
  const came = `SELECT ${columns} FROM ${fromTable(parent)} AS p WHERE ${isMember} AND ${isRecent("p")} LIMIT $3`;
  return {
    parent: parent.name,
    sql:
      `WITH came AS MATERIALIZED (${came}) SELECT EXISTS (SELECT 1 FROM came AS p ` +
      `JOIN ${fromTable(table)} AS t ON ${joinKey(key, "p", "t")} WHERE NOT ${isRecent("t")}) AS joined`,
  };
}
