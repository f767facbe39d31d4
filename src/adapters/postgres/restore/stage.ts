// Loads the chosen rows into staging. It counts only with the facts, which are written last: there whole, or not at all.
// Unlogged, for nothing is lost with it: a crash of Postgres empties it, the marker tells, and it is staged again.
import { BackupError } from "../../../domain/errors.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { createValidityFunction } from "../../../domain/restore/staging-sql.ts";
import { restoredNames } from "../../../domain/restore/row-sql.ts";
import { countReturning } from "../../../domain/restore/rows-in-transit.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { StagedRestore } from "../../../ports/restore-target.ts";
import { isClone, planCloneOf, refuseExistingTarget } from "./clone.ts";
import { mapStaged, planSource } from "./map-staged.ts";
import type { ClonePlan } from "../../../domain/restore/clone-plan.ts";
import { selectRecords } from "./select-records.ts";
import {
  ensureKeptSchema,
  refuseBlockingDrift,
  stagingIdentity,
  stagingOf,
  type RestoreContext,
} from "./restore-context.ts";
import { finishTable, refuseForeignRows, stageTables, type OnProgress } from "./stage-tables.ts";

interface Facts {
  readonly identity: string;
  readonly tables: StagedRestore["tables"];
  readonly shown: readonly ShownTable[];
  readonly notes: readonly string[];
}

/** What it takes to show rows later, when nobody brings the backup along. */
export interface ShownTable {
  readonly table: TableName;
  readonly number: number;
  readonly key: readonly string[];
  readonly names: readonly string[];
  readonly predicate: string;
}

const describeShown = (table: RestoreTable): ShownTable => ({
  table: table.table,
  number: table.number,
  key: table.key,
  names: restoredNames(table),
  predicate: table.predicate("t"),
});

/** Stages unless it is done already. @throws SchemaDrifted and what the port names. */
export async function ensureStaged(context: RestoreContext, onProgress: OnProgress = () => {}): Promise<StagedRestore> {
  refuseBlockingDrift(context.plan);
  await ensureKeptSchema(context.session);
  const { drift } = context.plan;
  const clone = isClone(context) ? await planCloneOf(context) : null;
  if (clone !== null && !(await isApplied(context))) await refuseExistingTarget(context);
  const { tables, notes } = (await readStaged(context)) ?? (await stageAll(context, clone, onProgress));
  return { drift, tables, notes };
}

export async function readShownTables(
  session: RestoreContext["session"],
  restoreId: string,
): Promise<readonly ShownTable[]> {
  const staging = stagingOf(restoreId);
  const doing = "looking at the staging tables";
  const exists = await session.value("SELECT to_regclass($1) IS NOT NULL", doing, [staging.facts]);
  const text =
    exists === "t" ? await session.value(`SELECT value FROM ${staging.facts} WHERE name = 'staged'`, doing) : null;
  if (text === null) throw new BackupError("RestoreNotFound", "This restore is not staged; run its dry run again.");
  return (JSON.parse(text) as Facts).shown;
}

async function readStaged(context: RestoreContext): Promise<Facts | null> {
  const { session, staging } = context;
  const doing = "looking at the staging tables";
  const exists = await session.value("SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL", doing, [
    staging.facts,
    staging.marker,
  ]);
  if (exists !== "t") return null;
  const text = await session.value(
    `SELECT value FROM ${staging.facts} WHERE name = 'staged' AND EXISTS (SELECT 1 FROM ${staging.marker})`,
    doing,
  );
  const facts = text === null ? null : (JSON.parse(text) as Facts);
  return facts?.identity === stagingIdentity(context) ? facts : null;
}

async function isApplied({ session, restoreId }: RestoreContext): Promise<boolean> {
  const sql = `SELECT EXISTS (SELECT 1 FROM wedsync_restore.restores WHERE restore_id = ${restoreId} AND status = 'applied')`;
  return (await session.value(sql, "looking for an earlier apply")) === "t";
}

async function stageAll(context: RestoreContext, clone: ClonePlan | null, onProgress: OnProgress): Promise<Facts> {
  const { session, staging, plan } = context;
  try {
    await session.execute("BEGIN", "making the staging schema");
    const hasInputCheck = await makeSchema(context);
    const selected = await selectRecords(context);
    await session.execute("COMMIT", "making the staging schema"); // so that another session sees it
    const staged = await stageTables({ context, selected, hasInputCheck, onProgress });
    refuseBlockingDrift({ drift: staged.flatMap(({ misfits }) => misfits) });
    await session.execute("BEGIN", "staging");
    let notes: readonly string[] = [];
    if (clone !== null) {
      for (const table of planSource(context)) await refuseForeignRows(session, staging, table);
      notes = await mapStaged(context, clone);
      for (const table of plan.tables) await finishTable(context, table, "s");
    }
    const tables = staged.map(({ table, rows }) => ({ table, rows }));
    const shown = asStaged(context, tables).plan.tables.map(describeShown);
    const facts: Facts = { identity: stagingIdentity(context), tables, shown, notes };
    await session.execute(`INSERT INTO ${staging.facts} VALUES ('staged', $1)`, "keeping what was staged", [
      JSON.stringify(facts),
    ]);
    await session.execute("COMMIT", "staging");
    return facts;
  } catch (error) {
    await session.rollBack();
    await dropRemains(context).catch(() => {}); // they count for nothing; the next attempt or the restore's end drops them
    throw error;
  }
}

/** By another session: a COPY that failed took its own along. */
async function dropRemains({ staging, openBeside }: RestoreContext): Promise<void> {
  const cleaner = await openBeside();
  try {
    await cleaner.execute(`DROP SCHEMA IF EXISTS ${staging.schema} CASCADE`, "dropping the staging schema");
  } finally {
    await cleaner.close();
  }
}

/** @returns whether the server can tell a valid input by itself. */
async function makeSchema({ session, staging, input }: RestoreContext): Promise<boolean> {
  const modern = await session.value(
    "SELECT current_setting('server_version_num')::int >= 160000",
    "asking for the version",
  );
  await session.execute(
    `DROP SCHEMA IF EXISTS ${staging.schema} CASCADE; CREATE SCHEMA ${staging.schema}; ` +
      `CREATE TABLE ${staging.facts} (name text PRIMARY KEY, value text NOT NULL); CREATE UNLOGGED TABLE ${staging.marker} AS SELECT true AS staged; ` +
      `CREATE SEQUENCE ${staging.numbers}; ${modern === "t" ? "" : createValidityFunction(staging)}`,
    "making the staging schema",
  );
  const last = await session.value(
    `SELECT max(number) FROM wedsync_restore.conflicts WHERE restore_id = $1`,
    "looking for kept conflicts",
    [input.restoreId],
  );
  if (last !== null) await session.execute(`SELECT setval($1, $2)`, "numbering", [staging.numbers, last]);
  return modern === "t";
}

/**
 * The plan by what was staged. Where single records come back, a table of which no row does is not looked at any more, and
 * has no working table.
 */
export function asStaged(context: RestoreContext, staged: StagedRestore["tables"]): RestoreContext {
  const { plan, input, staging } = context;
  const busy = new Set(staged.filter(({ rows }) => rows > 0).map(({ table }) => table));
  const tables = input.selection.records === null ? plan.tables : plan.tables.filter(({ table }) => busy.has(table));
  const narrowed = { ...plan, tables };
  return { ...context, plan: isClone(context) ? narrowed : countReturning(narrowed, staging) };
}
