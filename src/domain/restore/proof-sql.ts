// What is proven inside the transaction before it may commit. Each statement counts what must not be there.
import { quoteTable } from "../sql-quoting.ts";
import type { RestoreTable } from "./restore-table.ts";
import {
  columnOf,
  columnsOf,
  imageDiffers,
  keyMatches,
  liveRows,
  restoredNames,
  rowsMatch,
  liveTable,
} from "./row-sql.ts";
import type { Staging } from "./staging-names.ts";

/** A foreign key that is in force in the live database. */
export interface LiveForeignKey {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly referencedTable: string;
  readonly referencedColumns: readonly string[];
  readonly matchFull: boolean;
  readonly deferrable: boolean;
  /** The table whose partition `table` is; else `table` itself. */
  readonly rootTable: string;
  readonly mayLockParent: boolean;
  readonly isPartitioned: boolean;
  readonly parentIsPartitioned: boolean;
}

const childTable = (key: LiveForeignKey): string => `${key.isPartitioned ? "" : "ONLY "}${quoteTable(key.table)}`;
const parentTable = (key: LiveForeignKey): string =>
  `${key.parentIsPartitioned ? "" : "ONLY "}${quoteTable(key.referencedTable)}`;

const referenceMatches = (child: string, parent: string, key: LiveForeignKey): string =>
  key.columns
    .map((name, index) => `${columnOf(parent, key.referencedColumns[index] as string)} = ${columnOf(child, name)}`)
    .join(" AND ");

const refersSomewhere = (child: string, { columns, matchFull }: LiveForeignKey): string =>
  columns.map((name) => `${columnOf(child, name)} IS NOT NULL`).join(matchFull ? " OR " : " AND ");

/**
 * Where every staged row was inserted (`all`), the staged rows stand for the written ones: that they are equal was proven
 * before. Not for a partition's own key, which holds for some of them only.
 */
const written = (staging: Staging, child: RestoreTable, key: LiveForeignKey, alias: string, all: boolean): string => {
  if (all && key.table === child.table && key.columns.every((name) => restoredNames(child).includes(name)))
    return `${staging.table("s", child.number)} AS ${alias} WHERE true`;
  return child.key.length === 0
    ? `${childTable(key)} AS ${alias} WHERE ${child.predicate(alias)}`
    : `${childTable(key)} AS ${alias} JOIN ${staging.table("w", child.number)} AS w ON ${keyMatches(alias, "w", child)} WHERE w.operation <> 'delete'`;
};

/** Written rows whose parent is not there. */
export const countOrphans = (staging: Staging, child: RestoreTable, key: LiveForeignKey, all: boolean): string =>
  `SELECT count(*) AS count FROM ${written(staging, child, key, "c", all)} AND (${refersSomewhere("c", key)}) ` +
  `AND NOT EXISTS (SELECT 1 FROM ${parentTable(key)} AS p WHERE ${referenceMatches("c", "p", key)})`;

/**
 * The same where every staged row of both tables was inserted: each side stands for what was written. Null where a side does
 * not hold what the key compares, or the key is a partition's own. 0 = no orphans, and no parent that others could remove.
 */
export const countStagedOrphans = (
  staging: Staging,
  child: RestoreTable,
  parent: RestoreTable,
  key: LiveForeignKey,
): string | null =>
  key.table === child.table &&
  key.columns.every((name) => restoredNames(child).includes(name)) &&
  key.referencedColumns.every((name) => restoredNames(parent).includes(name))
    ? `SELECT count(*) AS count FROM ${staging.table("s", child.number)} AS c WHERE (${refersSomewhere("c", key)}) ` +
      `AND NOT EXISTS (SELECT 1 FROM ${staging.table("s", parent.number)} AS p WHERE ${referenceMatches("c", "p", key)})`
    : null;

/** Rows, of whatever table and organization, whose parent was removed or got another value. */
export const countLeftBehind = (staging: Staging, parent: RestoreTable, key: LiveForeignKey): string =>
  `SELECT count(*) AS count FROM ${childTable(key)} AS c JOIN ${staging.table("u", parent.number)} AS u ON ${referenceMatches("c", "u", key)} ` +
  `WHERE NOT EXISTS (SELECT 1 FROM ${parentTable(key)} AS p WHERE ${referenceMatches("c", "p", key)})`;

/**
 * Where the database cascades: rows that it would remove, empty or change together with rows of `parent`, and that the
 * restore itself does not. `child`: the part that the referring table has in the restore.
 */
export function countSwept(
  staging: Staging,
  parent: RestoreTable,
  key: LiveForeignKey,
  child: RestoreTable | null,
  by: "delete" | "update",
): string {
  const moves = `EXISTS (SELECT 1 FROM ${staging.table("v", parent.number)} AS v WHERE ${rowsMatch("v", "u", parent)} AND ${imageDiffers("v", "u", key.referencedColumns)})`;
  const spared =
    child === null || child.key.length === 0
      ? ""
      : ` AND NOT EXISTS (SELECT 1 FROM ${staging.table("w", child.number)} AS x WHERE ${by === "delete" ? "x.operation = 'delete' AND " : ""}${keyMatches("c", "x", child)})`;
  return (
    `SELECT count(*) AS count FROM ${childTable(key)} AS c JOIN ${staging.table("u", parent.number)} AS u ON ${referenceMatches("c", "u", key)} ` +
    `JOIN ${staging.table("w", parent.number)} AS w ON ${keyMatches("u", "w", parent)} WHERE w.operation = '${by}'${by === "update" ? ` AND ${moves}` : ""}${spared}`
  );
}

/**
 * Parents of written rows, other than those that were written themselves, can't be removed by others until the commit.
 * As the foreign key's own trigger does it; a parent that went away since the snapshot makes this fail with 40001.
 */
export const lockParents = (staging: Staging, child: RestoreTable, key: LiveForeignKey, all: boolean): string =>
  `SELECT count(*) AS count FROM (SELECT 1 FROM ${parentTable(key)} AS p WHERE (${columnsOf("p", key.referencedColumns)}) IN ` +
  `(SELECT ${columnsOf("c", key.columns)} FROM ${written(staging, child, key, "c", all)}) AND p.xmin <> pg_current_xact_id()::xid FOR KEY SHARE OF p) AS locked`;

/** Removed values, to look for newer children on another connection: its snapshot is newer than this transaction's. */
export const removedReferences = (staging: Staging, parent: RestoreTable, key: LiveForeignKey): string =>
  `SELECT ${key.referencedColumns.map((name, index) => `array_agg(${columnOf("u", name)}::text ORDER BY u.ctid) AS r${index + 1}`).join(", ")} ` +
  `FROM ${staging.table("u", parent.number)} AS u WHERE NOT EXISTS (SELECT 1 FROM ${parentTable(key)} AS p WHERE ${key.referencedColumns
    .map((name) => `${columnOf("p", name)} = ${columnOf("u", name)}`)
    .join(" AND ")})`;

/**
 * For a FROM and its WHERE on another connection: rows (`xmin`: theirs, 32 bits) that `snapshot`, the restoring transaction's,
 * does not see. They are widened by the newest transaction that this connection sees.
 */
export const newerThan = (snapshot: string, xmin: string): { readonly from: string; readonly where: string } => ({
  from:
    `CROSS JOIN (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric AS x) AS newest ` +
    `CROSS JOIN LATERAL (SELECT x - mod(x, 4294967296) + ${xmin}::text::numeric - CASE WHEN ${xmin}::text::numeric > mod(x, 4294967296) THEN 4294967296 ELSE 0 END AS made) AS age`,
  where: `made > 2 AND NOT pg_visible_in_snapshot(made::text::xid8, '${snapshot}'::pg_snapshot)`,
});

/** `snapshot`: the restoring transaction's. */
export const countNewerChildren = (key: LiveForeignKey, types: readonly string[], snapshot: string): string => {
  const gone = types.map((type, index) => `unnest($${index + 1}::text[]::${type}[])`).join(", ");
  const names = types.map((_, index) => `r${index + 1}`).join(", ");
  const matches = key.columns.map((name, index) => `${columnOf("c", name)} = gone.r${index + 1}`).join(" AND ");
  const newer = newerThan(snapshot, "c.xmin");
  return (
    `SELECT count(*) AS count FROM ${childTable(key)} AS c JOIN ROWS FROM (${gone}) AS gone(${names}) ON ${matches} ` +
    `${newer.from} WHERE ${newer.where}`
  );
};

/** Written rows that are not what was to be written: a trigger or a rule changed them. */
export const countStrayRows = (staging: Staging, table: RestoreTable): string => {
  const side = (kind: "s" | "v", operation: string): string =>
    `SELECT count(*) AS n FROM ${staging.table("w", table.number)} AS w JOIN ${staging.table(kind, table.number)} AS x ON ${keyMatches("x", "w", table)} ` +
    `LEFT JOIN ${liveTable(table)} AS t ON ${keyMatches("t", "w", table)} AND ${table.predicate("t")} ` +
    `WHERE w.operation = '${operation}' AND (${columnOf("t", table.key[0] as string)} IS NULL OR ${imageDiffers("x", "t", restoredNames(table))})`;
  return `SELECT sum(n) AS count FROM (${side("s", "insert")} UNION ALL ${side("v", "update")}) AS x`;
};

/** The same where every staged row was inserted. */
export const countStrayInserts = (staging: Staging, table: RestoreTable): string =>
  `SELECT count(*) AS count FROM ${staging.table("s", table.number)} AS x ` +
  `LEFT JOIN ${liveTable(table)} AS t ON ${rowsMatch("x", "t", table)} AND ${table.predicate("t")} ` +
  `WHERE ${columnOf("t", table.key[0] as string)} IS NULL OR ${imageDiffers("x", "t", restoredNames(table))}`;

/** Removed rows that are there. */
export const countUnremovedRows = (staging: Staging, table: RestoreTable): string =>
  `SELECT count(*) AS count FROM ${staging.table("w", table.number)} AS w JOIN ${liveTable(table)} AS t ON ${keyMatches("t", "w", table)} WHERE w.operation = 'delete'`;

export const countRows = (table: RestoreTable): string => `SELECT count(*) AS count FROM ${liveRows(table, "t")}`;

/** The organization's rows as the backup would hold them, for the manifest's checksum. */
export const copyLiveRows = (table: RestoreTable): string =>
  `COPY (SELECT ${columnsOf("t", restoredNames(table))} FROM ${liveRows(table, "t")}) TO STDOUT`;
