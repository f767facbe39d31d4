// Rows that were cut loose: live, and with a reference that ON DELETE SET NULL emptied (or SET DEFAULT set to its default)
// when their record was deleted. The working table l holds their keys, and what the backup says of the references that pointed at a record that comes back.
//
// Staged is each as it is live now, with only such a reference set again: so whatever else was edited since stays, and all
// that follows (dry run, decisions, writes, undo log) takes it for a changed row like another.
import type { ForeignKey } from "../schema.ts";
import { fromTable } from "../membership-sql.ts";
import type { RestoreTable } from "./restore-table.ts";
import { columnList, columnOf, keyMatches, liveTable, restoredColumns, restoredNames, rowsMatch } from "./row-sql.ts";
import type { Staging } from "./staging-names.ts";

export const setsDefault = (definition: string): boolean => /ON DELETE SET DEFAULT/.test(definition);

/** The row outlives its record. */
export const cutsLoose = (definition: string): boolean =>
  /ON DELETE SET NULL/.test(definition) || setsDefault(definition);

export interface LooseReference {
  readonly key: ForeignKey;
  readonly parent: RestoreTable;
  /** The later backup of a merge holds the parent's rows, too: one that is in it was removed after the damage. */
  readonly parentHasBase: boolean;
}

/** Of the live table: without the foreign key, nothing was emptied by it. */
export const looseKeys = ({ live }: RestoreTable): readonly ForeignKey[] =>
  live.foreignKeys.filter(({ definition }) => cutsLoose(definition));

/** What l has of the table. */
export const narrowToLoose = (table: RestoreTable): RestoreTable => {
  const names = new Set([...table.key, ...looseKeys(table).flatMap(({ columns }) => columns)]);
  const columns = restoredColumns(table).filter(({ name }) => names.has(name));
  return { ...table, columns: columns.map((column) => ({ ...column, needsValue: false })) };
};

/** Before each comparison, for the live rows of now. */
export function stageLoose(
  staging: Staging,
  table: RestoreTable,
  references: readonly LooseReference[],
): readonly string[] {
  const [s, l] = [staging.table("s", table.number), staging.table("l", table.number)];
  const held = new Set(narrowToLoose(table).columns.map(({ name }) => name));
  const whole = references.filter(({ key }) => key.columns.every((name) => held.has(name)));
  const values = restoredNames(table).map((name) => {
    const cases = whole
      .filter(({ key }) => key.columns.includes(name))
      .map(
        (each) =>
          `WHEN ${wasEmptied(table, each, name)} AND ${isLoose(staging, table, each)} THEN ${columnOf("l", name)}`,
      );
    return cases.length === 0 ? columnOf("t", name) : `CASE ${cases.join(" ")} ELSE ${columnOf("t", name)} END`;
  });
  return [
    `DELETE FROM ${s} AS s USING ${l} AS l WHERE ${rowsMatch("s", "l", table)}`,
    `INSERT INTO ${s} (${columnList(restoredNames(table))}) SELECT ${values.join(", ")} FROM ${liveTable(table)} AS t JOIN ${l} AS l ON ${rowsMatch("t", "l", table)} WHERE ${table.predicate("t")}`,
  ];
}

/** It pointed at the record, points nowhere else now, and the record is gone: where it is there, somebody wanted it so. */
function isLoose(staging: Staging, table: RestoreTable, reference: LooseReference): string {
  const { key, parent, parentHasBase } = reference;
  const pointed = key.columns.map(
    (name) =>
      `${columnOf("l", name)} IS NOT NULL AND (${wasEmptied(table, reference, name)} OR ${columnOf("t", name)} = ${columnOf("l", name)})`,
  );
  const matches = key.columns
    .map((name, at) => `${columnOf("p", key.referencedColumns[at] as string)} = ${columnOf("l", name)}`)
    .join(" AND ");
  const none = (from: string): string => `NOT EXISTS (SELECT 1 FROM ${from} AS p WHERE ${matches})`;
  const base = parentHasBase ? [none(staging.table("b", parent.number))] : [];
  return [...pointed, none(fromTable(parent.live)), ...base].join(" AND ");
}

/** A default that is another value each time can't be told from what somebody set. */
function wasEmptied(table: RestoreTable, { key }: LooseReference, name: string): string {
  const column = columnOf("t", name);
  if (!setsDefault(key.definition)) return `${column} IS NULL`;
  const { defaultSql } = table.live.columns.find((each) => each.name === name) ?? { defaultSql: null };
  if (defaultSql === null) return `${column} IS NULL`;
  return isConstant(defaultSql) ? `${column} IS NOT DISTINCT FROM (${defaultSql})` : "false";
}

/** A number, a quoted text, either with a cast. */
const isConstant = (sql: string): boolean => /^\(?(-?[\d.]+|'([^']|'')*')\)?(::[\w\s.()"[\]]+)?$/.test(sql);

/** Those with nothing to be set again. */
export const countIdleLoose = (staging: Staging, table: RestoreTable): string =>
  `SELECT count(*) FROM ${staging.table("l", table.number)} AS l WHERE NOT EXISTS (SELECT 1 FROM ${staging.table("d", table.number)} AS d WHERE ${keyMatches("l", "d", table)})`;
