// Loads the chosen rows into staging, in one transaction of its own: there whole, or not at all. Unlogged, for nothing is
// lost with it: a crash of Postgres empties it, the marker tells, and it is staged again.
import { BackupError } from "../../../domain/errors.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import {
  castStagedColumns,
  checkStagedColumns,
  copyIntoStaging,
  countForeignRows,
  createStagingTable,
  createValidityFunction,
  indexStagingTable,
} from "../../../domain/restore/staging-sql.ts";
import { restoredNames } from "../../../domain/restore/row-sql.ts";
import type { StagingKind } from "../../../domain/restore/staging-names.ts";
import type { DriftEntry } from "../../../domain/restore-request.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { BackupTable, StagedRestore } from "../../../ports/restore-target.ts";
import type { RecordClosure } from "../../../domain/restore/record-closure.ts";
import { isClone, mapStaged, planCloneOf, planSource, refuseExistingTarget } from "./clone.ts";
import type { ClonePlan } from "../../../domain/restore/clone-plan.ts";
import { filterRows, keepNeeded, selectRecords } from "./select-records.ts";
import { planMergeBase } from "./merge-base.ts";
import {
  ensureKeptSchema,
  refuseBlockingDrift,
  stagingIdentity,
  stagingOf,
  type RestoreContext,
} from "./restore-context.ts";

type OnProgress = (progress: { table: TableName; rows: number }) => void;

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
  const { session, staging, plan, input } = context;
  const tables: { table: TableName; rows: number }[] = [];
  try {
    const modern = await session.value(
      "SELECT current_setting('server_version_num')::int >= 160000",
      "asking for the version",
    );
    await session.execute(
      `BEGIN; DROP SCHEMA IF EXISTS ${staging.schema} CASCADE; CREATE SCHEMA ${staging.schema}; ` +
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
    const found: DriftEntry[] = [];
    const basePlan = planMergeBase(context);
    const closure = await selectRecords(context);
    for (const table of plan.tables) {
      const source = input.backup.tables.find((each) => each.table === table.table) as BackupTable;
      const rows = await stageTable(context, table, source, "s", modern === "t", found, closure);
      const base = basePlan.get(table.table);
      if (base !== undefined) await stageTable(context, base.table, base.source, "b", modern === "t", found, closure);
      tables.push({ table: table.table, rows });
      onProgress({ table: table.table, rows });
    }
    refuseBlockingDrift({ drift: found });
    let notes: readonly string[] = [];
    if (clone !== null) {
      for (const table of planSource(context)) await refuseForeignRows(session, staging, table);
      notes = await mapStaged(context, clone);
      for (const table of plan.tables) await finishTable(context, table, "s");
    }
    const facts: Facts = { identity: stagingIdentity(context), tables, shown: plan.tables.map(describeShown), notes };
    await session.execute(`INSERT INTO ${staging.facts} VALUES ('staged', $1)`, "keeping what was staged", [
      JSON.stringify(facts),
    ]);
    await session.execute("COMMIT", "staging");
    return facts;
  } catch (error) {
    await session.rollBack();
    throw error;
  }
}

async function stageTable(
  context: RestoreContext,
  table: RestoreTable,
  source: BackupTable,
  kind: StagingKind,
  hasInputCheck: boolean,
  found: DriftEntry[],
  closure: RecordClosure | null,
): Promise<number> {
  const { session, staging } = context;
  const doing = `staging ${table.table}`;
  await session.execute(createStagingTable(staging, table, kind), doing);
  const needed: (readonly string[])[] = [];
  let expected = closure === null ? source.rows : 0;
  const chosen =
    closure === null
      ? source.readRows()
      : filterRows(closure, source, (fate, fields) => {
          expected += 1;
          if (fate === "needed") needed.push(fields);
        });
  const rows = await session.copyIn(copyIntoStaging(staging, table, kind), chosen, doing);
  if (rows !== expected)
    throw new BackupError("RecoverMismatch", `${table.table} has ${rows} rows where the backup states ${expected}.`, {
      table: table.table,
    });
  const misfits = await findMisfits(session, staging, table, kind, hasInputCheck);
  found.push(...misfits);
  if (misfits.length > 0) return rows; // refused in the end, when every table was looked at
  const cast = castStagedColumns(staging, table, kind);
  if (cast !== null) await session.execute(cast, doing);
  if (isClone(context)) await session.execute(`ANALYZE ${staging.table(kind, table.number)}`, doing);
  else await finishTable(context, table, kind);
  if (kind === "s" && closure !== null) await keepNeeded(context, table, needed);
  return rows;
}

/** The rows are as they will be. */
async function finishTable(
  { session, staging }: RestoreContext,
  table: RestoreTable,
  kind: StagingKind,
): Promise<void> {
  const doing = `staging ${table.table}`;
  const index = indexStagingTable(staging, table, kind);
  if (index !== null) await session.execute(index, doing);
  await session.execute(`ANALYZE ${staging.table(kind, table.number)}`, doing);
  if (kind === "s") await refuseForeignRows(session, staging, table);
}

async function refuseForeignRows(
  session: RestoreContext["session"],
  staging: RestoreContext["staging"],
  table: RestoreTable,
): Promise<void> {
  const sql = table.organizationColumn === null ? null : countForeignRows(staging, table, table.organizationColumn);
  const foreign = sql === null ? 0 : await session.count(sql, `looking whose rows of ${table.table} are`);
  if (foreign > 0)
    throw new BackupError(
      "RestoreInvalid",
      `${foreign} rows of ${table.table} in the backup are not the organization's by ${table.organizationColumn}; nothing was touched.`,
      { table: table.table },
    );
}

async function findMisfits(
  session: RestoreContext["session"],
  staging: RestoreContext["staging"],
  table: RestoreTable,
  kind: StagingKind,
  hasInputCheck: boolean,
): Promise<DriftEntry[]> {
  const misfits: DriftEntry[] = [];
  for (const { column, what, sql } of checkStagedColumns(staging, table, hasInputCheck, kind)) {
    const count = await session.count(sql, `looking whether ${table.table}.${column.backupName} fits`);
    if (count === 0) continue;
    misfits.push({
      table: table.table,
      column: column.backupName,
      what:
        what === "has no value"
          ? "column became NOT NULL"
          : column.backupType === column.liveType
            ? "enum value gone"
            : "column retyped",
      effect: "blocks",
      message:
        what === "has no value"
          ? `${count} rows of the backup have no value there; give the column a default or allow NULL while restoring`
          : `${count} rows of the backup hold a value that does not fit ${column.liveType} unchanged`,
    });
  }
  return misfits;
}
