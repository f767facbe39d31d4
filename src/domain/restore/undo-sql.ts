// Rolling a restore back: the undo log becomes working tables, and what stands in the way is counted.
//
// An entry can be undone if the row is still as the restore left it (its text's hash), or still gone. Its before-image is
// read through the live table's own row type, so that every column comes back, also those that no backup holds.
import { quoteTable } from "../sql-quoting.ts";
import type { LiveForeignKey } from "./proof-sql.ts";
import type { RestoreTable } from "./restore-table.ts";
import { columnOf, keyMatches, keyNames, rowText, liveTable } from "./row-sql.ts";
import type { Staging } from "./staging-names.ts";

const typedKey = (table: RestoreTable): string =>
  table.key
    .map(
      (name, index) =>
        `n.key[${index + 1}]::${table.live.columns.find((column) => column.name === name)?.type ?? "text"} AS k${index + 1}`,
    )
    .join(", ");

/** Entries of a table with a primary key, as n: those that stand alone, and those that were kept a thousand at a time. */
const entries = (restoreId: string, name: string): string =>
  `(SELECT a.operation, a.key, a.after_hash FROM wedsync_restore.undo AS a WHERE a.restore_id = ${restoreId} AND a.table_name = ${name} ` +
  `UNION ALL SELECT 'insert', e.key::text[], e.after_hash FROM wedsync_restore.undo_inserts AS b CROSS JOIN LATERAL unnest(b.keys, b.after_hashes) AS e(key, after_hash) ` +
  `WHERE b.restore_id = ${restoreId} AND b.table_name = ${name}) AS n`;

/** d: every entry with its fate; `refused` is NULL where it can be undone. `kind` is what the entry is to the row before. */
export const createUndoWork = (staging: Staging, table: RestoreTable, restoreId: string, name: string): string =>
  `CREATE UNLOGGED TABLE ${staging.table("d", table.number)} AS SELECT n.operation AS done, ${typedKey(table)}, n.after_hash, ` +
  `CASE n.operation WHEN 'insert' THEN 'live only' WHEN 'delete' THEN 'missing' ELSE 'changed' END AS kind, NULL::text AS refused FROM ${entries(restoreId, name)}`;

/** The rows as they were. */
export const createBeforeRows = (staging: Staging, table: RestoreTable, restoreId: string, name: string): string =>
  `CREATE UNLOGGED TABLE ${staging.table("s", table.number)} AS SELECT (r.x).* FROM (SELECT n.before_row::${quoteTable(table.table)} AS x ` +
  `FROM wedsync_restore.undo AS n WHERE n.restore_id = ${restoreId} AND n.table_name = ${name} AND n.before_row IS NOT NULL OFFSET 0) AS r`;

export const refuseChanged = (staging: Staging, table: RestoreTable): readonly string[] => {
  const d = staging.table("d", table.number);
  const live = `${liveTable(table)} AS t WHERE ${keyMatches("t", "d", table)}`;
  return [
    `UPDATE ${d} AS d SET refused = 'removed since' WHERE d.done <> 'delete' AND NOT EXISTS (SELECT 1 FROM ${live})`,
    `UPDATE ${d} AS d SET refused = 'changed since' FROM ${live} AND d.done <> 'delete' AND (md5(${rowText("t")})::uuid <> d.after_hash OR NOT (${table.predicate("t")}))`,
    `UPDATE ${d} AS d SET refused = 'changed since' FROM ${live} AND d.done = 'delete'`,
  ];
};

/** A row without key leaves if as many copies of it are undone as there are. */
const leavesAsWhole = (staging: Staging, child: RestoreTable, key: LiveForeignKey): string =>
  `EXISTS (SELECT 1 FROM ${staging.table("w", child.number)} AS f WHERE f.after_hash = md5(${rowText("c")})::uuid AND f.copies >= ` +
  `(SELECT count(*) FROM ${quoteTable(key.table)} AS r WHERE ${key.columns.map((name) => `${columnOf("r", name)} = ${columnOf("c", name)}`).join(" AND ")} AND ${rowText("r")} = ${rowText("c")}))`;

/** Rows that the rollback would remove, and that a row needs which stays. */
export const refuseNeeded = (
  staging: Staging,
  parent: RestoreTable,
  key: LiveForeignKey,
  child: RestoreTable | null,
): string => {
  const d = staging.table("d", parent.number);
  const matches = key.columns
    .map((name, index) => `${columnOf("c", name)} = ${columnOf("t", key.referencedColumns[index] as string)}`)
    .join(" AND ");
  // A child leaves with it, or pointed elsewhere before the restore and will again.
  const leaves =
    child === null
      ? ""
      : child.key.length === 0
        ? ` AND NOT ${leavesAsWhole(staging, child, key)}`
        : ` AND NOT EXISTS (SELECT 1 FROM ${staging.table("d", child.number)} AS f WHERE ${keyMatches("c", "f", child)} AND f.refused IS NULL AND (f.done = 'insert' OR (f.done = 'update' AND NOT EXISTS (` +
          `SELECT 1 FROM ${staging.table("s", child.number)} AS b WHERE ${keyMatches("b", "f", child)} AND ${key.columns
            .map((name, index) => `${columnOf("b", name)} = ${columnOf("t", key.referencedColumns[index] as string)}`)
            .join(" AND ")}))))`;
  return (
    `UPDATE ${d} AS d SET refused = 'needed by newer rows' FROM ${liveTable(parent)} AS t WHERE d.done = 'insert' AND d.refused IS NULL AND ${keyMatches("t", "d", parent)} ` +
    `AND EXISTS (SELECT 1 FROM ${quoteTable(key.table)} AS c WHERE ${matches}${leaves})`
  );
};

/** Rows that would come back, and whose parent is not there any more and does not come back either. */
export const refuseParentless = (
  staging: Staging,
  child: RestoreTable,
  key: LiveForeignKey,
  parent: RestoreTable | null,
): string => {
  const d = staging.table("d", child.number);
  const matches = (alias: string): string =>
    key.columns
      .map((name, index) => `${columnOf(alias, key.referencedColumns[index] as string)} = ${columnOf("b", name)}`)
      .join(" AND ");
  const present = `EXISTS (SELECT 1 FROM ${quoteTable(key.referencedTable)} AS p WHERE ${matches("p")})`;
  const comesBack =
    parent === null || parent.key.length === 0
      ? "false"
      : `EXISTS (SELECT 1 FROM ${staging.table("s", parent.number)} AS a JOIN ${staging.table("d", parent.number)} AS f ON ${keyMatches("a", "f", parent)} WHERE f.refused IS NULL AND ${matches("a")})`;
  return (
    `UPDATE ${d} AS d SET refused = 'removed since' FROM ${staging.table("s", child.number)} AS b WHERE ${keyMatches("b", "d", child)} AND d.refused IS NULL AND d.done <> 'insert' ` +
    `AND ${key.columns.map((name) => `${columnOf("b", name)} IS NOT NULL`).join(" AND ")} AND NOT ${present} AND NOT ${comesBack}`
  );
};

/** For the search of unique values that newer rows hold: what is refused does not move. */
export const settleRefused = (staging: Staging, table: RestoreTable): string =>
  `UPDATE ${staging.table("d", table.number)} AS d SET kind = 'stays' WHERE refused IS NOT NULL`;

export const refuseTaken = (staging: Staging, table: RestoreTable): string =>
  `UPDATE ${staging.table("d", table.number)} AS d SET refused = 'changed since', kind = 'stays' WHERE kind = 'taken'`;

/** What the restore did, the other way round. */
export const createUndoWrites = (staging: Staging, table: RestoreTable): string =>
  `CREATE UNLOGGED TABLE ${staging.table("w", table.number)} AS SELECT CASE d.done WHEN 'insert' THEN 'delete' WHEN 'delete' THEN 'insert' ELSE 'update' END AS operation, ` +
  `${keyNames(table)
    .map((name) => `d.${name}`)
    .join(
      ", ",
    )}, false AS parked, false AS merged FROM ${staging.table("d", table.number)} AS d WHERE d.refused IS NULL`;

export const countRefused = (staging: Staging, table: RestoreTable): string =>
  `SELECT refused, count(*)::text AS count FROM ${staging.table("d", table.number)} WHERE refused IS NOT NULL GROUP BY refused ORDER BY refused`;

/** Tables without primary key: rows that were written are found by their hash, as many as are still there. */
export const createWholeRowUndo = (staging: Staging, table: RestoreTable, restoreId: string, name: string): string =>
  `CREATE UNLOGGED TABLE ${staging.table("w", table.number)} AS SELECT h.after_hash, h.wanted, least(h.wanted, count(l.hash)) AS copies FROM ` +
  `(SELECT after_hash, count(*) AS wanted FROM wedsync_restore.undo WHERE restore_id = ${restoreId} AND table_name = ${name} AND operation = 'insert' GROUP BY 1) AS h ` +
  `LEFT JOIN (SELECT md5(${rowText("t")})::uuid AS hash FROM ${liveTable(table)} AS t WHERE ${table.predicate("t")}) AS l ON l.hash = h.after_hash GROUP BY 1, 2`;

export const deleteByHash = (staging: Staging, table: RestoreTable): string =>
  `DELETE FROM ${liveTable(table)} AS t USING (SELECT r.tableoid AS part, r.ctid AS place, md5(${rowText("r")})::uuid AS hash, ` +
  `row_number() OVER (PARTITION BY md5(${rowText("r")})) AS copy FROM ${liveTable(table)} AS r WHERE ${table.predicate("r")}) AS x ` +
  `JOIN ${staging.table("w", table.number)} AS w ON w.after_hash = x.hash WHERE x.copy <= w.copies AND t.ctid = x.place AND t.tableoid = x.part`;
