// Rows of one organization that point at rows of another. They are backed up with their own organization, and their
// foreign key can't be made again from that backup alone, so each backup counts and names them.
import type { ForeignRowCheck } from "./catalogue.ts";
import { fromTable, joinKey } from "./membership-sql.ts";
import type { Membership } from "./membership.ts";
import type { ForeignKey, TableDescription, TableName } from "./schema.ts";
import { quoteIdentifier } from "./sql-quoting.ts";

export interface ForeignRows {
  readonly table: TableName;
  /** The foreign key's name. */
  readonly key: string;
  readonly parent: TableName;
  readonly rows: number;
}

export function findForeignRowChecks(
  stored: readonly TableDescription[],
  memberships: ReadonlyMap<TableName, Membership>,
): ForeignRowCheck[] {
  const byName = new Map(stored.map((table) => [table.name, table]));
  return stored.flatMap((table) =>
    table.foreignKeys
      .filter((key) => canLeave(table, key, memberships))
      .flatMap((key): ForeignRowCheck[] => {
        const parent = byName.get(key.referencedTable);
        if (parent === undefined) return [];
        const isMember = (memberships.get(table.name) as Membership).predicate("t");
        const isParentMember = (memberships.get(parent.name) as Membership).predicate("p");
        const points = key.columns.map((name) => `t.${quoteIdentifier(name)} IS NOT NULL`).join(" AND ");
        return [
          {
            table: table.name,
            key: key.name,
            parent: parent.name,
            countSql:
              `SELECT count(*) FROM ${fromTable(table)} AS t WHERE ${isMember} AND ${points} AND EXISTS ` +
              `(SELECT 1 FROM ${fromTable(parent)} AS p WHERE ${joinKey(key, "p", "t")} AND (${isParentMember}) IS NOT TRUE)`,
          },
        ];
      }),
  );
}

/** False where the key itself says whose the row is, or carries the organization with it. */
function canLeave(table: TableDescription, key: ForeignKey, memberships: ReadonlyMap<TableName, Membership>): boolean {
  const own = memberships.get(table.name);
  const parent = memberships.get(key.referencedTable);
  if (own === undefined || parent === undefined) return false;
  const { organizationColumn } = own;
  const carried = parent.organizationColumn === null ? -1 : key.referencedColumns.indexOf(parent.organizationColumn);
  if (organizationColumn !== null && key.columns[carried] === organizationColumn) return false;
  const isTheOnlyPath =
    own.role === "indirect" && own.reason === `by ${key.columns.join(", ")} through ${key.referencedTable}`;
  return !isTheOnlyPath;
}

/** One statement for all of them; null where there is nothing to ask. Rows (at, rows), only where any are. */
export function writeForeignRowsSql(checks: readonly ForeignRowCheck[]): string | null {
  if (checks.length === 0) return null;
  const each = checks.map(({ countSql }, at) => `SELECT ${at} AS at, (${countSql}) AS rows`);
  return `SELECT * FROM (${each.join(" UNION ALL ")}) AS c WHERE c.rows > 0`;
}

export function readForeignRows(
  checks: readonly ForeignRowCheck[],
  answer: readonly Readonly<Record<string, string | null>>[],
): ForeignRows[] {
  return answer.flatMap(({ at, rows }) => {
    const check = checks[Number(at)];
    return check === undefined
      ? []
      : [{ table: check.table, key: check.key, parent: check.parent, rows: Number(rows) }];
  });
}
