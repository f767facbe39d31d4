// Staging: tables in the live database that hold the backup's rows in the live types.
//
// A column whose live type takes whatever the backup's held is loaded straight into it. The others are loaded as text,
// every value is tried, and only then the column is cast: a value that would change on the way (numeric(12,4) into
// numeric(12,2), varchar that is too long) is drift and refused; a cast alone would round and cut without a word.
import { quoteIdentifier, quoteLiteral } from "../sql-quoting.ts";
import type { StagedColumn } from "./map-table.ts";
import type { RestoreTable } from "./restore-table.ts";
import { columnList, restoredNames } from "./row-sql.ts";
import type { Staging, StagingKind } from "./staging-names.ts";

export function createStagingTable(staging: Staging, table: RestoreTable, kind: StagingKind = "s"): string {
  const columns = table.columns.map(
    ({ name, liveType, checked }) => `${quoteIdentifier(name)} ${checked || liveType === null ? "text" : liveType}`,
  );
  return `CREATE UNLOGGED TABLE ${staging.table(kind, table.number)} (${columns.join(", ")})`;
}

/** Frozen, for the table is of the same transaction: who reads it first need not look up that it was committed. */
export const copyIntoStaging = (staging: Staging, table: RestoreTable, kind: StagingKind = "s"): string => {
  const names = table.columns.map((column) => column.name);
  return `COPY ${staging.table(kind, table.number)} ${names.length === 0 ? "" : `(${columnList(names)})`} FROM STDIN WITH (FREEZE)`;
};

/** Before 16, Postgres has no way to ask but trying; made in the staging schema, where pg_input_is_valid is missing. */
export const createValidityFunction = (staging: Staging): string => `
  CREATE FUNCTION ${staging.schema}.is_valid(value text, type text) RETURNS boolean LANGUAGE plpgsql AS $function$
  BEGIN
    EXECUTE 'SELECT CAST(' || quote_literal(value) || ' AS ' || type || ')';
    RETURN true;
  EXCEPTION WHEN data_exception OR integrity_constraint_violation OR invalid_text_representation THEN RETURN false;
  END $function$`;

export interface ColumnCheck {
  readonly column: StagedColumn;
  readonly what: "does not fit" | "has no value";
  /** Counts offending rows. */
  readonly sql: string;
}

export function checkStagedColumns(
  staging: Staging,
  table: RestoreTable,
  hasInputCheck: boolean,
  kind: StagingKind = "s",
): readonly ColumnCheck[] {
  const from = staging.table(kind, table.number);
  return table.columns.flatMap((column): ColumnCheck[] => {
    const { liveType } = column;
    if (liveType === null) return [];
    const value = quoteIdentifier(column.name);
    const checks: ColumnCheck[] = [];
    if (column.checked) {
      const valid = `${hasInputCheck ? "pg_input_is_valid" : `${staging.schema}.is_valid`}(${value}, ${quoteLiteral(liveType)})`;
      // CASE keeps the order: only valid values are cast.
      const changes = changesByCast(column, liveType, value);
      checks.push({
        column,
        what: "does not fit",
        sql: `SELECT count(*) AS count FROM ${from} WHERE ${value} IS NOT NULL AND CASE WHEN ${valid} THEN ${changes} ELSE true END`,
      });
    }
    if (column.needsValue)
      checks.push({
        column,
        what: "has no value",
        sql: `SELECT count(*) AS count FROM ${from} WHERE ${value} IS NULL`,
      });
    return checks;
  });
}

/** There and back again gives the same text, by way of the backup's type where the live database still has it. */
function changesByCast({ backupType }: StagedColumn, liveType: string, value: string): string {
  // jsonb drops white space and repeated keys; so did the migration that changed the live column.
  if (backupType === "json" && liveType === "jsonb") return "false";
  const there = `${value}::${liveType}::text`;
  return `${there} <> ${value}${backupType.includes(".") || backupType === liveType ? "" : ` AND ${there}::${backupType}::text <> ${value}`}`;
}

export function castStagedColumns(staging: Staging, table: RestoreTable, kind: StagingKind = "s"): string | null {
  const casts = table.columns
    .filter((column) => column.checked && column.liveType !== null)
    .map(({ name, liveType }) => {
      const column = quoteIdentifier(name);
      return `ALTER COLUMN ${column} TYPE ${liveType ?? "text"} USING ${column}::${liveType ?? "text"}`;
    });
  return casts.length === 0 ? null : `ALTER TABLE ${staging.table(kind, table.number)} ${casts.join(", ")}`;
}

/** Also the proof that no two of the backup's rows are one row now. */
export const indexStagingTable = (staging: Staging, table: RestoreTable, kind: StagingKind = "s"): string | null =>
  table.key.length === 0
    ? null
    : `CREATE UNIQUE INDEX ON ${staging.table(kind, table.number)} (${columnList(table.key)})`;

/** How many rows, and how their keys lie: what joins are planned by. The other columns are never looked up. */
export const analyzeStagingTable = (staging: Staging, table: RestoreTable, kind: StagingKind): string =>
  `ANALYZE ${staging.table(kind, table.number)}${table.key.length === 0 ? "" : ` (${columnList(table.key)})`}`;

/** Staged rows that are not the organization's by their own column; a backup that holds any is not taken. */
export const countForeignRows = (staging: Staging, table: RestoreTable, column: string): string | null =>
  restoredNames(table).includes(column)
    ? `SELECT count(*) AS count FROM ${staging.table("s", table.number)} AS s WHERE (${table.predicate("s")}) IS NOT TRUE`
    : null;
