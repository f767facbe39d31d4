// The SQL of src/domain/conflict-merge.ts. `baseNames`: the columns that the later backup holds; null = two-way.
import type { RestoreTable } from "./restore-table.ts";
import { columnOf, imageDiffers, keyMatches, liveTable, restoredNames, rowsMatch } from "./row-sql.ts";
import type { Staging } from "./staging-names.ts";

type BaseNames = readonly string[] | null;

/** Key columns are the same row by =, and keep their live spelling. */
function mergedValue(table: RestoreTable, name: string, baseNames: BaseNames): string {
  const [s, t] = [columnOf("s", name), columnOf("t", name)];
  if (table.key.includes(name)) return t;
  const filled = `coalesce(${t}, ${s})`;
  if (baseNames === null) return filled;
  if (!baseNames.includes(name)) return t; // nobody knows what the damage did to it
  const hasBase = `${columnOf("b", table.key[0] as string)} IS NOT NULL`;
  return `CASE WHEN NOT ${hasBase} THEN ${filled} WHEN ${imageDiffers("t", "b", [name])} THEN ${t} ELSE ${s} END`;
}

const joins = (staging: Staging, table: RestoreTable, baseNames: BaseNames): string =>
  `${staging.table("w", table.number)} AS w JOIN ${staging.table("s", table.number)} AS s ON ${keyMatches("s", "w", table)} ` +
  `JOIN ${liveTable(table)} AS t ON ${keyMatches("t", "w", table)}` +
  (baseNames === null ? "" : ` LEFT JOIN ${staging.table("b", table.number)} AS b ON ${rowsMatch("b", "s", table)}`);

export const insertMergedValues = (staging: Staging, table: RestoreTable, baseNames: BaseNames): string =>
  `INSERT INTO ${staging.table("v", table.number)} SELECT ${restoredNames(table)
    .map((name) => mergedValue(table, name, baseNames))
    .join(", ")} FROM ${joins(staging, table, baseNames)} WHERE w.operation = 'update' AND w.merged`;

/** Rows in which both sides changed a column, each in its own way. */
export function countMergeConflicts(staging: Staging, table: RestoreTable, baseNames: readonly string[]): string {
  const conflicts = restoredNames(table)
    .filter((name) => baseNames.includes(name) && !table.key.includes(name))
    .map(
      (name) =>
        `(${imageDiffers("t", "b", [name])} AND ${imageDiffers("b", "s", [name])} AND ${imageDiffers("t", "s", [name])})`,
    );
  return (
    `SELECT count(*) AS count FROM ${joins(staging, table, baseNames)} WHERE w.operation = 'update' AND w.merged ` +
    `AND ${columnOf("b", table.key[0] as string)} IS NOT NULL AND (${conflicts.length === 0 ? "false" : conflicts.join(" OR ")})`
  );
}

/** For a missing row d: the damage took it. */
export const wasGoneInBase = (staging: Staging, table: RestoreTable): string =>
  `NOT EXISTS (SELECT 1 FROM ${staging.table("b", table.number)} AS b WHERE ${keyMatches("b", "d", table)})`;

/** For a live-only row d: nobody touched it since the damage. */
export const isAsInBase = (staging: Staging, table: RestoreTable, baseNames: readonly string[]): string =>
  `EXISTS (SELECT 1 FROM ${staging.table("b", table.number)} AS b JOIN ${liveTable(table)} AS t ON ${rowsMatch("b", "t", table)} ` +
  `WHERE ${keyMatches("b", "d", table)} AND NOT ${imageDiffers("b", "t", baseNames)})`;
