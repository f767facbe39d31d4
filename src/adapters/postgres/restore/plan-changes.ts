// What is written into each table, decided row by row within the database: the working table w says of each row whether it
// is inserted, updated or deleted.
import { BackupError } from "../../../domain/errors.ts";
import { isMerged, mayMerge, operationOf } from "../../../domain/restore/operation-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { createInsertAllWork, createWholeRowWork, createWork } from "../../../domain/restore/write-sql.ts";
import type { TableDifference } from "../../../domain/restore-request.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { ApplyOptions } from "../../../ports/restore-target.ts";
import type { KeptDifference } from "./difference.ts";
import { planMergeBase, type BaseTable } from "./merge-base.ts";
import { preparePart } from "./prepare-part.ts";
import type { RestoreContext } from "./restore-context.ts";
import type { WriteContext } from "./write-context.ts";
import { startPart, type WritePart } from "./write-part.ts";

/** @returns the prepared parts of tables in which anything is written. @throws SchemaDrifted, and what preparing does. */
export async function planChanges(
  context: RestoreContext,
  difference: KeptDifference,
  options: ApplyOptions,
  write: WriteContext,
  stagedRows: ReadonlyMap<TableName, number>,
): Promise<WritePart[]> {
  const parts: WritePart[] = [];
  const bases = planMergeBase(context);
  for (const table of context.plan.tables) {
    const counts = difference.tables.find((each) => each.table === table.table);
    if (counts === undefined || !touches(counts, options)) continue;
    refuseUnfilled(table, counts);
    const base = bases.get(table.table);
    const insertsAll = insertsEveryRow(table, counts, options, base, stagedRows.get(table.table));
    await context.session.execute(
      createPlannedWork(context, table, options, base, insertsAll),
      `planning ${table.table}`,
    );
    const part = startPart(table, {
      inserted: insertsAll ? counts.missing : 0,
      insertsAll,
      merge: table.key.length > 0 && mayMerge(options) ? { baseNames: base?.names ?? null } : null,
    });
    await preparePart(write, part);
    if (part.inserted + part.updated + part.deleted > 0) parts.push(part);
  }
  return parts;
}

const touches = ({ missing, changed, liveOnly }: TableDifference, options: ApplyOptions): boolean =>
  missing + (options.strategy === "skip" ? 0 : changed) + (options.liveOnly === "mirror" ? liveOnly : 0) > 0;

function refuseUnfilled({ table, unfilled }: RestoreTable, { missing }: TableDifference): void {
  if (unfilled.length === 0 || missing === 0) return;
  throw new BackupError(
    "SchemaDrifted",
    `${missing} rows of ${table} are missing, and can't come back without ${unfilled.join(", ")}: NOT NULL, no default, and not in the backup. Nothing was written.`,
    { table },
  );
}

/** Rows that were cut loose from a record count as staged, too, and are never missing. */
const insertsEveryRow = (
  table: RestoreTable,
  counts: TableDifference,
  { strategy, liveOnly }: ApplyOptions,
  base: BaseTable | undefined,
  staged: number | undefined,
): boolean =>
  table.key.length > 0 &&
  strategy !== "prompt" &&
  base === undefined &&
  counts.missing === staged &&
  (counts.liveOnly === 0 || liveOnly !== "mirror");

function createPlannedWork(
  { staging, restoreId }: RestoreContext,
  table: RestoreTable,
  options: ApplyOptions,
  base: BaseTable | undefined,
  insertsAll: boolean,
): string {
  if (table.key.length === 0) return createWholeRowWork(staging, table, options.liveOnly === "mirror");
  if (insertsAll) return createInsertAllWork(staging, table);
  const operation = operationOf(options, staging, table, base?.names ?? null);
  return createWork(staging, table, operation, isMerged(options), options.strategy === "prompt" ? restoreId : null);
}
