// Checks of the staged rows of a copy: before they get new keys, what they must not refer to or hold, and what would not fit;
// after it, which ids of the organization that is copied are still among them.
import { countStrangers, countTooLong, countValues, findLeftovers } from "../../../domain/restore/clone-check-sql.ts";
import type { ClonePlan } from "../../../domain/restore/clone-plan.ts";
import { restoredColumns } from "../../../domain/restore/row-sql.ts";
import { cloneRefusal } from "./clone-refusal.ts";
import type { RestoreContext } from "./restore-context.ts";

/** References to rows that are not copied, and values that the catalogue refuses to copy. @throws CloneRefused */
export async function refuseStrangers({ session, staging, plan }: RestoreContext, clone: ClonePlan): Promise<void> {
  const lines: string[] = [];
  const chosen = new Map(plan.tables.map((table) => [table.table, table]));
  for (const table of plan.tables) {
    const changes = clone.changes.get(table.table);
    for (const key of table.live.foreignKeys) {
      const isMapped = key.columns.some((name) => changes?.get(name)?.by === "key");
      if (!isMapped || key.columns.some((name) => ["null", "refusal"].includes(changes?.get(name)?.by ?? ""))) continue;
      const sql = countStrangers(staging, table, key, chosen.get(key.referencedTable) ?? null);
      const count = sql === null ? 0 : await session.count(sql, `looking where ${table.table} refers to`);
      if (count > 0)
        lines.push(
          `${table.table}.${key.columns.join(", ")}: ${count} rows refer to rows of ${key.referencedTable} that are not copied (not chosen, or another organization's)`,
        );
    }
    for (const [column, change] of changes ?? []) {
      if (change.by !== "refusal") continue;
      const count = await session.count(countValues(staging, table, column), `looking at ${table.table}`);
      if (count > 0)
        lines.push(`${table.table}.${column}: ${count} rows have a value, and the catalogue refuses to copy it`);
    }
  }
  if (lines.length > 0) throw cloneRefusal("The organization can't be restored as another one", lines);
}

/** Once every key has its new one. @throws CloneRefused */
export async function refuseTooLong({ session, staging, plan }: RestoreContext, clone: ClonePlan): Promise<void> {
  const lines: string[] = [];
  for (const table of plan.tables)
    for (const column of restoredColumns(table)) {
      const change = clone.changes.get(table.table)?.get(column.name);
      const sql = change === undefined ? null : countTooLong(staging, table, column, change);
      const count = sql === null ? 0 : await session.count(sql, `measuring ${table.table}`);
      if (count > 0)
        lines.push(`${table.table}.${column.name}: ${count} rows get a value that is longer than ${column.liveType}`);
    }
  if (lines.length > 0) throw cloneRefusal("The organization can't be restored as another one", lines);
}

/** @returns notes for people. @throws CloneRefused where the restore is to stop at them. */
export async function findOldIds(
  { session, staging, plan, input }: RestoreContext,
  clone: ClonePlan,
): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const table of plan.tables)
    for (const { column, sql } of findLeftovers(staging, table, clone)) {
      const count = await session.count(sql, `looking for old ids in ${table.table}`);
      if (count > 0) lines.push(`${table.table}.${column.name}: ${count} rows`);
    }
  if (lines.length > 0 && input.leftOverIds === "stop")
    throw cloneRefusal(
      "Ids of the organization that is copied are still among the values of the copy (list these columns under links or externalIds, or take them along with --left-over-ids report)",
      lines,
    );
  const numbers = clone.spaces.filter(
    ({ isTelling, number, kind }) => !isTelling && (number === 0 || kind === "number"),
  );
  return [
    ...lines.map((line) => `ids of the organization that was copied are left in ${line}`),
    ...(numbers.length === 0
      ? []
      : [
          `old ids were not looked for where they are numbers, which can't be told from others: ${numbers.map(({ name }) => name).join(", ")}`,
        ]),
  ];
}
