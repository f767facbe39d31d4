// The statements that change live rows. Every one names its rows by key from the working table w, and asks again that
// they are the organization's.
//
// Rows are updated in place. Delete-and-insert would take ON DELETE CASCADE children with it where triggers run, so it is
// done to parked rows only, in replica mode only, where no trigger and no cascade fires: rows whose unique value another
// row is about to take, and rows whose GENERATED ALWAYS identity differs, which no UPDATE may set.
import { quoteTable } from "../sql-quoting.ts";
import type { RestoreTable } from "./restore-table.ts";
import {
  columnList,
  columnOf,
  columnsOf,
  imageDiffers,
  keyMatches,
  keyNames,
  keyText,
  liveRows,
  restoredNames,
  rowsMatch,
  rowText,
  storedNames,
  wholeRowText,
  liveTable,
} from "./row-sql.ts";
import type { Staging } from "./staging-names.ts";
import { quoteIdentifier } from "../sql-quoting.ts";

/** Values that updates set: u holds them before, v after. */
export const createValues = (staging: Staging, table: RestoreTable): string =>
  `CREATE UNLOGGED TABLE ${staging.table("v", table.number)} AS SELECT ${columnsOf("s", restoredNames(table))} ` +
  `FROM ${staging.table("s", table.number)} AS s JOIN ${staging.table("w", table.number)} AS w ON ${keyMatches("s", "w", table)} WHERE w.operation = 'update' AND NOT w.merged`;

export const captureBefore = (staging: Staging, table: RestoreTable): string =>
  `CREATE UNLOGGED TABLE ${staging.table("u", table.number)} AS SELECT t.* FROM ${liveTable(table)} AS t ` +
  `JOIN ${staging.table("w", table.number)} AS w ON ${keyMatches("t", "w", table)} WHERE w.operation <> 'insert' AND ${table.predicate("t")}`;

/** One row: for each restored column, whether an update changes it. */
export const findChangedColumns = (staging: Staging, table: RestoreTable): string => {
  const changed = restoredNames(table).map(
    (name, index) => `coalesce(bool_or(${imageDiffers("v", "u", [name])}), false) AS c${index + 1}`,
  );
  return `SELECT ${changed.join(", ")} FROM ${staging.table("v", table.number)} AS v JOIN ${staging.table("u", table.number)} AS u ON ${rowsMatch("v", "u", table)}`;
};

/** A merge may come out as what is there already. */
export const dropIdleUpdates = (staging: Staging, table: RestoreTable): string =>
  `DELETE FROM ${staging.table("w", table.number)} AS w USING ${staging.table("v", table.number)} AS v, ${staging.table("u", table.number)} AS u ` +
  `WHERE w.operation = 'update' AND ${keyMatches("v", "w", table)} AND ${keyMatches("u", "w", table)} AND NOT (${imageDiffers("v", "u", restoredNames(table))})`;

export const parkIdentities = (staging: Staging, table: RestoreTable, identities: readonly string[]): string =>
  `UPDATE ${staging.table("w", table.number)} AS w SET parked = true FROM ${staging.table("v", table.number)} AS v, ${staging.table("u", table.number)} AS u ` +
  `WHERE w.operation = 'update' AND NOT w.parked AND ${keyMatches("v", "w", table)} AND ${keyMatches("u", "w", table)} AND ${imageDiffers("v", "u", identities)}`;

/** The parked rows as they will be: what the backup does not hold stays as it was. */
export const createParked = (staging: Staging, table: RestoreTable): readonly string[] => {
  const p = staging.table("p", table.number);
  return [
    `CREATE UNLOGGED TABLE ${p} AS SELECT ${columnsOf("u", storedNames(table))} FROM ${staging.table("u", table.number)} AS u JOIN ${staging.table("w", table.number)} AS w ON ${keyMatches("u", "w", table)} WHERE w.parked`,
    `UPDATE ${p} AS p SET ${setList("v", restoredNames(table))} FROM ${staging.table("v", table.number)} AS v WHERE ${rowsMatch("p", "v", table)}`,
  ];
};

const setList = (source: string, names: readonly string[]): string =>
  names.map((name) => `${quoteIdentifier(name)} = ${columnOf(source, name)}`).join(", ");

export const deleteParked = (staging: Staging, table: RestoreTable): string =>
  `DELETE FROM ${liveTable(table)} AS t USING ${staging.table("w", table.number)} AS w WHERE w.parked AND ${keyMatches("t", "w", table)} AND ${table.predicate("t")}`;

export const insertParked = (staging: Staging, table: RestoreTable): string =>
  `INSERT INTO ${quoteTable(table.table)} (${columnList(storedNames(table))}) OVERRIDING SYSTEM VALUE SELECT ${columnsOf("p", storedNames(table))} FROM ${staging.table("p", table.number)} AS p`;

/** Where triggers run, parked rows can't be taken out: their value is set to one that nobody has. */
export const setAside = (
  staging: Staging,
  table: RestoreTable,
  operation: "update" | "delete",
  column: string,
  value: string,
): string =>
  `UPDATE ${liveTable(table)} AS t SET ${quoteIdentifier(column)} = ${value} FROM ${staging.table("w", table.number)} AS w WHERE w.parked AND w.operation = '${operation}' AND ${keyMatches("t", "w", table)} AND ${table.predicate("t")}`;

export const deleteRows = (staging: Staging, table: RestoreTable): string =>
  `DELETE FROM ${liveTable(table)} AS t USING ${staging.table("w", table.number)} AS w WHERE w.operation = 'delete' AND ${keyMatches("t", "w", table)} AND ${table.predicate("t")}`;

export const updateRows = (
  staging: Staging,
  table: RestoreTable,
  names: readonly string[],
  withParked: boolean,
): string =>
  `UPDATE ${liveTable(table)} AS t SET ${setList("v", names)} FROM ${staging.table("v", table.number)} AS v, ${staging.table("w", table.number)} AS w ` +
  `WHERE w.operation = 'update'${withParked ? "" : " AND NOT w.parked"} AND ${keyMatches("v", "w", table)} AND ${keyMatches("t", "w", table)} AND ${table.predicate("t")}`;

/**
 * `postponed`: references into tables whose rows come later; they are filled in when those are there. `all`: every staged
 * row is an insert, and there is nothing to look up in w.
 */
export function insertRows(staging: Staging, table: RestoreTable, postponed: readonly string[], all: boolean): string {
  const names = restoredNames(table);
  const values = names.map((name) => (postponed.includes(name) ? "NULL" : columnOf("s", name)));
  return (
    `INSERT INTO ${quoteTable(table.table)} (${columnList(names)}) OVERRIDING SYSTEM VALUE SELECT ${values.join(", ")} ` +
    `FROM ${staging.table("s", table.number)} AS s` +
    (all
      ? ""
      : ` JOIN ${staging.table("w", table.number)} AS w ON ${keyMatches("s", "w", table)} WHERE w.operation = 'insert'`)
  );
}

export const fillPostponed = (staging: Staging, table: RestoreTable, postponed: readonly string[]): string =>
  `UPDATE ${liveTable(table)} AS t SET ${setList("s", postponed)} FROM ${staging.table("s", table.number)} AS s, ${staging.table("w", table.number)} AS w ` +
  `WHERE w.operation = 'insert' AND ${keyMatches("s", "w", table)} AND ${keyMatches("t", "w", table)}`;

const undoColumns = "wedsync_restore.undo (restore_id, table_name, operation, key, before_row, after_hash)";

/**
 * After the writes: what each row was, and what it is now. Hashing rows as an INSERT returns them instead was no faster
 * (making text of a row is what costs), and misses what a trigger that never rests does to a row afterwards.
 */
export const logUndo = (staging: Staging, table: RestoreTable, restoreId: string, tableName: string): string =>
  `INSERT INTO ${undoColumns} SELECT ${restoreId}, ${tableName}, w.operation, ${keyText("w", table)}, ${rowText("u")}, md5(${rowText("t")})::uuid ` +
  `FROM ${staging.table("w", table.number)} AS w LEFT JOIN ${staging.table("u", table.number)} AS u ON ${keyMatches("u", "w", table)} ` +
  `LEFT JOIN ${liveTable(table)} AS t ON w.operation <> 'delete' AND ${keyMatches("t", "w", table)}`;

/** Of a table all of whose staged rows were inserted. `alone`: the organization has no other rows there. */
export function logInserts(
  staging: Staging,
  table: RestoreTable,
  restoreId: string,
  tableName: string,
  alone: boolean,
): readonly string[] {
  const h = staging.table("h", table.number);
  const rows = alone
    ? liveRows(table, "t")
    : `${staging.table("s", table.number)} AS s JOIN ${liveTable(table)} AS t ON ${rowsMatch("s", "t", table)}`;
  const key = `ARRAY[${table.key.map((name) => `${columnOf("t", name)}::text`).join(", ")}]::text[]::text`;
  return [
    // First the hashes, by two processes; no statement that writes into a table that was there before may have them.
    `CREATE UNLOGGED TABLE ${h} AS SELECT ${key} AS key, md5(${rowText("t")})::uuid AS after_hash FROM ${rows}`,
    `INSERT INTO wedsync_restore.undo_inserts (restore_id, table_name, keys, after_hashes) SELECT ${restoreId}, ${tableName}, array_agg(key), array_agg(after_hash) ` +
      `FROM (SELECT key, after_hash, (row_number() OVER () - 1) / 1000 AS block FROM ${h}) AS x GROUP BY block`,
  ];
}

/** Rows of a table without primary key are told by their text; each goes into the undo log as it is written. */
export function insertWholeRows(staging: Staging, table: RestoreTable, restoreId: string, tableName: string): string {
  const names = restoredNames(table);
  const text = wholeRowText("s", table);
  return (
    `WITH written AS (INSERT INTO ${quoteTable(table.table)} AS t (${columnList(names)}) OVERRIDING SYSTEM VALUE SELECT ${columnsOf("x", names)} FROM ` +
    `(SELECT s.*, ${text} AS "wedsync row", row_number() OVER (PARTITION BY ${text}) AS "wedsync copy" FROM ${staging.table("s", table.number)} AS s) AS x ` +
    `JOIN ${staging.table("w", table.number)} AS w ON w.row_text = x."wedsync row" WHERE w.operation = 'insert' AND x."wedsync copy" <= w.copies RETURNING ${rowText("t")} AS now) ` +
    `INSERT INTO ${undoColumns} SELECT ${restoreId}, ${tableName}, 'insert', NULL, NULL, md5(now)::uuid FROM written`
  );
}

export function deleteWholeRows(staging: Staging, table: RestoreTable, restoreId: string, tableName: string): string {
  const text = wholeRowText("r", table);
  return (
    `WITH written AS (DELETE FROM ${liveTable(table)} AS t USING ` +
    `(SELECT r.tableoid AS part, r.ctid AS place, ${text} AS row_text, row_number() OVER (PARTITION BY ${text}) AS copy FROM ${liveTable(table)} AS r WHERE ${table.predicate("r")}) AS x ` +
    `JOIN ${staging.table("w", table.number)} AS w USING (row_text) WHERE w.operation = 'delete' AND x.copy <= w.copies AND t.ctid = x.place AND t.tableoid = x.part RETURNING ${rowText("t")} AS before) ` +
    `INSERT INTO ${undoColumns} SELECT ${restoreId}, ${tableName}, 'delete', NULL, before, NULL FROM written`
  );
}

export const createWholeRowWork = (staging: Staging, table: RestoreTable, mirror: boolean): string =>
  `CREATE UNLOGGED TABLE ${staging.table("w", table.number)} AS SELECT CASE kind WHEN 'missing' THEN 'insert' ELSE 'delete' END AS operation, row_text, copies ` +
  `FROM ${staging.table("d", table.number)} WHERE kind = 'missing'${mirror ? " OR kind = 'live only'" : ""}`;

/** Where nothing is done but that every staged row is inserted, the plan is those rows. */
export const createInsertAllWork = (staging: Staging, table: RestoreTable): string =>
  `CREATE VIEW ${staging.table("w", table.number)} AS SELECT 'insert'::text AS operation, ${table.key
    .map((name, index) => `${columnOf("s", name)} AS k${index + 1}`)
    .join(", ")}, false AS parked, false AS merged FROM ${staging.table("s", table.number)} AS s`;

/** `operation`: an expression over d (and c, the decisions) that is NULL where nothing is to be done. */
export const createWork = (
  staging: Staging,
  table: RestoreTable,
  operation: string,
  merged: string,
  decisionsOf: string | null,
): string => {
  const join =
    decisionsOf === null
      ? ""
      : ` LEFT JOIN wedsync_restore.conflicts AS c ON c.restore_id = ${decisionsOf} AND c.number = d.number`;
  const keys = keyNames(table).map((name) => `d.${name}`);
  return (
    `CREATE UNLOGGED TABLE ${staging.table("w", table.number)} AS SELECT * FROM (SELECT ${operation} AS operation, ${keys.join(", ")}, false AS parked, ${merged} AS merged ` +
    `FROM ${staging.table("d", table.number)} AS d${join}) AS x WHERE operation IS NOT NULL`
  );
};
