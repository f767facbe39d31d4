// The difference between the staged rows and the organization's live ones: one working table (d) for each table, with a
// row for each that is missing, changed, live only or taken. What is equal leaves no trace but the count.
import type { LiveOnly } from "../restore-request.ts";
import type { RestoreTable } from "./restore-table.ts";
import {
  columnOf,
  columnsOf,
  imageDiffers,
  keyMatches,
  keysMatch,
  keyText,
  liveRows,
  restoredNames,
  rowsMatch,
  rowText,
  wholeRowText,
  liveTable,
} from "./row-sql.ts";
import type { Staging } from "./staging-names.ts";

export interface DifferenceOptions {
  /** For tables without primary key, which are counted in one go. */
  readonly withLiveOnly: boolean;
  /** There is a table o: rows that come back only if they are missing. */
  readonly hasNeeded: boolean;
  /** Keep the numbers that an earlier difference (e) gave. */
  readonly hasEarlier: boolean;
  /** Numbers of conflicts that were kept when staging was lost. The restore's id as a literal; null = none. */
  readonly keptConflicts: string | null;
  /** The highest number that was given to a row so far. */
  readonly lastNumber: number;
}

const sequenceOf = (staging: Staging): string => `'${staging.numbers.replaceAll("'", "''")}'`;

export const readLastNumber = (staging: Staging): string =>
  `SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM ${staging.numbers}`;

/** Else a sequence numbers, which keeps the whole statement to one process. */
export const numbersByPlace = (table: RestoreTable, { hasEarlier, keptConflicts }: DifferenceOptions): boolean =>
  !hasEarlier && (keptConflicts === null || table.key.length === 0);

/** After a difference whose rows were numbered by their places. */
export const advanceNumbers = (staging: Staging, lastNumber: number): string =>
  `SELECT setval(${sequenceOf(staging)}, ${lastNumber})`;

export function createDifference(staging: Staging, table: RestoreTable, options: DifferenceOptions): string {
  const rows =
    table.key.length === 0 ? wholeRowDifference(staging, table, options) : keyedDifference(staging, table, options);
  const fresh = `${options.lastNumber} + row_number() OVER ()`;
  return `CREATE UNLOGGED TABLE ${staging.table("d", table.number)} AS ${numberRows(staging, table, rows, options, fresh)}`;
}

/** To d, after what is missing or changed. */
export function addLiveOnly(staging: Staging, table: RestoreTable, options: DifferenceOptions): string {
  const keys = table.key.map((name, index) => `${columnOf("t", name)} AS k${index + 1}`);
  const rows =
    `SELECT 'live only' AS kind, ${keys.join(", ")} FROM ${liveRows(table, "t")} ` +
    `AND NOT EXISTS (SELECT 1 FROM ${staging.table("s", table.number)} AS s WHERE ${rowsMatch("s", "t", table)})`;
  const fresh = `nextval(${sequenceOf(staging)})`;
  return `INSERT INTO ${staging.table("d", table.number)} ${numberRows(staging, table, rows, options, fresh)}`;
}

/** A row that had a number keeps it. `fresh` numbers where none has. */
function numberRows(
  staging: Staging,
  table: RestoreTable,
  rows: string,
  { hasEarlier, keptConflicts }: DifferenceOptions,
  fresh: string,
): string {
  const earlier = hasEarlier
    ? `LEFT JOIN ${staging.table("e", table.number)} AS e ON ${table.key.length === 0 ? "e.row_text = x.row_text" : keysMatch("e", "x", table)}`
    : "";
  const kept =
    keptConflicts === null || table.key.length === 0
      ? ""
      : `LEFT JOIN wedsync_restore.conflicts AS c ON c.restore_id = ${keptConflicts} AND c.table_name = '${table.table.replaceAll("'", "''")}' AND c.key = ${keyText("x", table)}`;
  const known = [...(earlier === "" ? [] : ["e.number"]), ...(kept === "" ? [] : ["c.number"])];
  const number = known.length === 0 ? fresh : `coalesce(${known.join(", ")}, nextval(${sequenceOf(staging)}))`;
  return `SELECT ${number} AS number, x.*, NULL::uuid AS live_hash FROM (${rows}) AS x ${earlier} ${kept}`;
}

/** What is missing or changed. A FULL JOIN, which would find the rest, too, is no work for two processes before Postgres 16. */
function keyedDifference(staging: Staging, table: RestoreTable, { hasNeeded }: DifferenceOptions): string {
  const names = restoredNames(table);
  const s = staging.table("s", table.number);
  const [first = ""] = table.key;
  const keys = table.key.map((name, index) => `${columnOf("s", name)} AS k${index + 1}`);
  const isMissing = `${columnOf("l", first)} IS NULL`;
  const needed = hasNeeded
    ? ` AND NOT EXISTS (SELECT 1 FROM ${staging.table("o", table.number)} AS o WHERE ${keyMatches("s", "o", table)})`
    : "";
  return (
    `SELECT CASE WHEN ${isMissing} THEN 'missing' ELSE 'changed' END AS kind, ${keys.join(", ")} ` +
    `FROM ${s} AS s LEFT JOIN (SELECT ${columnsOf("t", names)} FROM ${liveRows(table, "t")}) AS l ON ${rowsMatch("s", "l", table)} ` +
    `WHERE ${isMissing} OR (${imageDiffers("s", "l", names)}${needed})`
  );
}

/** Without a key, a row is nothing but its values: so many of them there, so many here. */
function wholeRowDifference(staging: Staging, table: RestoreTable, { withLiveOnly }: DifferenceOptions): string {
  const count = (from: string, alias: string): string =>
    `SELECT ${wholeRowText(alias, table)} AS row_text, count(*) AS copies FROM ${from} GROUP BY 1`;
  return (
    `SELECT CASE WHEN coalesce(s.copies, 0) > coalesce(l.copies, 0) THEN 'missing' ELSE 'live only' END AS kind, ` +
    `row_text, abs(coalesce(s.copies, 0) - coalesce(l.copies, 0)) AS copies ` +
    `FROM (${count(`${staging.table("s", table.number)} AS r`, "r")}) AS s ${withLiveOnly ? "FULL" : "LEFT"} JOIN (${count(liveRows(table, "t"), "t")}) AS l USING (row_text) ` +
    `WHERE coalesce(s.copies, 0) <> coalesce(l.copies, 0)`
  );
}

/** A missing row's key that some row holds, is held by another organization's. */
export const markTakenByKey = (staging: Staging, table: RestoreTable): string =>
  `UPDATE ${staging.table("d", table.number)} AS d SET kind = 'taken' FROM ${liveTable(table)} AS t ` +
  `WHERE d.kind = 'missing' AND ${keyMatches("t", "d", table)}`;

/** What a person is shown, so that a change after it is noticed. */
export const hashShownRows = (staging: Staging, table: RestoreTable): string =>
  `UPDATE ${staging.table("d", table.number)} AS d SET live_hash = md5(${rowText("t")})::uuid FROM ${liveTable(table)} AS t ` +
  `WHERE d.kind IN ('changed', 'taken', 'live only') AND ${keyMatches("t", "d", table)} AND ${table.predicate("t")}`;

/**
 * Kinds of rows that people decide on: where something live would be written over or removed. Nobody who decides row by row
 * should lose one that he was not asked about.
 */
export const askedKinds = (liveOnly: LiveOnly): string =>
  liveOnly === "mirror" ? "('changed', 'taken', 'live only')" : "('changed', 'taken')";

export const countDifferences = (staging: Staging, table: RestoreTable): string =>
  `SELECT kind, ${table.key.length === 0 ? "sum(copies)" : "count(*)"}::text AS count FROM ${staging.table("d", table.number)} GROUP BY kind`;

/** How many rows there are, and whether one is newer than transaction `since`: the difference still holds if none is. */
export const countLiveRows = (table: RestoreTable, since: string): string =>
  `SELECT count(*)::text AS rows, count(*) FILTER (WHERE age(t.xmin) <= age('${since}'::xid))::text AS recent FROM ${liveRows(table, "t")}`;
