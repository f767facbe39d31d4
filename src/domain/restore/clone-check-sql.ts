// What must not be among rows that become another organization's. Each statement counts what is.
import { quoteIdentifier } from "../sql-quoting.ts";
import type { ForeignKey } from "../schema.ts";
import type { ClonePlan } from "./clone-plan.ts";
import { spaceList, tellingUuids, uuidPattern } from "./clone-sql.ts";
import type { ColumnChange } from "./column-changes.ts";
import { placeOf } from "./column-place.ts";
import type { StagedColumn } from "./map-table.ts";
import type { RestoreTable } from "./restore-table.ts";
import { columnOf, restoredColumns, restoredNames } from "./row-sql.ts";
import type { Staging } from "./staging-names.ts";

const from = (staging: Staging, table: RestoreTable, alias: string): string =>
  `${staging.table("s", table.number)} AS ${alias}`;

/** Before the keys are mapped: rows whose parent is not among the staged ones. `parent`: null = its table is not. */
export function countStrangers(
  staging: Staging,
  child: RestoreTable,
  key: ForeignKey,
  parent: RestoreTable | null,
): string | null {
  const staged = restoredNames(child);
  if (!key.columns.every((name) => staged.includes(name))) return null;
  const refers = key.columns.map((name) => `${columnOf("c", name)} IS NOT NULL`).join(" AND ");
  const count = `SELECT count(*) AS count FROM ${from(staging, child, "c")} WHERE ${refers}`;
  if (parent === null) return count;
  if (!key.referencedColumns.every((name) => restoredNames(parent).includes(name))) return count;
  const matches = key.columns
    .map((name, at) => `${columnOf("p", key.referencedColumns[at] as string)} = ${columnOf("c", name)}`)
    .join(" AND ");
  return `${count} AND NOT EXISTS (SELECT 1 FROM ${from(staging, parent, "p")} WHERE ${matches})`;
}

export const countValues = (staging: Staging, table: RestoreTable, column: string): string =>
  `SELECT count(*) AS count FROM ${from(staging, table, "s")} WHERE ${columnOf("s", column)} IS NOT NULL`;

/** Before the rows are mapped: those whose new value has no room in the column. Null where any has. */
export function countTooLong(
  staging: Staging,
  table: RestoreTable,
  { name, liveType }: StagedColumn,
  change: ColumnChange,
): string | null {
  const [, most] = /^character(?: varying)?\((\d+)\)$/.exec(liveType ?? "") ?? [];
  if (most === undefined || (change.by !== "key" && change.by !== "path")) return null;
  const value = `${columnOf("s", name)}::text`;
  const [source, space] =
    change.by === "path" ? [staging.paths, ""] : [staging.keys, ` AND n.space = ${change.space.number}`];
  return `SELECT count(*) AS count FROM ${from(staging, table, "s")} JOIN ${source} AS n ON n.old = ${value}${space} WHERE char_length(n.new) > ${most}`;
}

const holdsNoText =
  /^(smallint|integer|bigint|real|double precision|numeric|money|boolean|bytea|date|time|timestamp|interval|point|line|lseg|box|path|polygon|circle|int4|int8|num|ts|date)/;

export interface LeftoverCheck {
  readonly column: StagedColumn;
  readonly sql: string;
}

/** After the keys are mapped: rows that hold an old one, whole or within a text. */
export function findLeftovers(staging: Staging, table: RestoreTable, plan: ClonePlan): readonly LeftoverCheck[] {
  const uuids = spaceList(tellingUuids(plan));
  const texts = plan.spaces.filter(({ kind, isTelling }) => isTelling && kind === "text");
  return restoredColumns(table).flatMap((column): LeftoverCheck[] => {
    const type = column.liveType ?? "text";
    if (holdsNoText.test(type) || plan.kept.has(placeOf(table.table, column.name))) return [];
    const value = `s.${quoteIdentifier(column.name)}::text`;
    const isKey = (old: string, spaces: string): string =>
      `EXISTS (SELECT 1 FROM ${staging.keys} AS k WHERE k.old = ${old} AND k.space = ANY (${spaces}))`;
    const among = (pattern: string, old: string, spaces: string): string =>
      `EXISTS (SELECT 1 FROM regexp_matches(${value}, '${pattern}', 'g') AS m JOIN ${staging.keys} AS k ON k.old = ${old} AND k.space = ANY (${spaces}))`;
    const found =
      type === "uuid"
        ? [isKey(value, uuids)]
        : [`(${value} ~ '${uuidPattern}' AND ${among(uuidPattern, "lower(m[1])", uuids)})`];
    if (type !== "uuid" && texts.length > 0)
      found.push(
        /^jsonb?$/.test(type)
          ? among('"((?:[^"\\\\]|\\\\.)*)"', "m[1]", spaceList(texts))
          : isKey(value, spaceList(texts)),
      );
    return [{ column, sql: `SELECT count(*) AS count FROM ${from(staging, table, "s")} WHERE ${found.join(" OR ")}` }];
  });
}
