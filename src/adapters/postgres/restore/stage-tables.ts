// Loads tables of the backup into staging, each checked against the live types and owners. The server parses rows on one
// core a session, so a large organization is staged by two.
import { BackupError } from "../../../domain/errors.ts";
import type { DriftEntry } from "../../../domain/restore-request.ts";
import { narrowToLoose } from "../../../domain/restore/loose-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import type { StagingKind } from "../../../domain/restore/staging-names.ts";
import {
  analyzeStagingTable,
  castStagedColumns,
  checkStagedColumns,
  copyIntoStaging,
  countForeignRows,
  createStagingTable,
  indexStagingTable,
} from "../../../domain/restore/staging-sql.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { BackupTable } from "../../../ports/restore-target.ts";
import { isClone } from "./clone.ts";
import { planMergeBase } from "./merge-base.ts";
import type { RestoreContext } from "./restore-context.ts";
import { filterRows, keepNeeded, looseRows, type SelectedRecords } from "./select-records.ts";

/** Below it, a second session costs more than it saves. */
const bytesForTwo = 16 * 1024 * 1024;

export type OnProgress = (progress: { table: TableName; rows: number }) => void;

export interface StagingWork {
  readonly context: RestoreContext;
  readonly selected: SelectedRecords | null;
  /** The server can tell a valid input by itself. */
  readonly hasInputCheck: boolean;
  readonly onProgress: OnProgress;
}

export interface StagedTable {
  readonly table: TableName;
  readonly rows: number;
  readonly misfits: readonly DriftEntry[];
}

/** In the plan's order; largest first in each session's transaction. */
export async function stageTables(work: StagingWork): Promise<readonly StagedTable[]> {
  const { context, selected } = work;
  const { plan, input } = context;
  const bytesOf = ({ table }: RestoreTable): number =>
    input.backup.tables.find((each) => each.table === table)?.rawBytes ?? 0;
  const waiting = plan.tables.toSorted((a, b) => bytesOf(b) - bytesOf(a));
  const total = waiting.reduce((sum, table) => sum + bytesOf(table), 0);
  const done = new Map<TableName, StagedTable>();
  const stageRest = async (lane: RestoreContext): Promise<void> => {
    try {
      await lane.session.execute("BEGIN", "staging");
      for (let table = waiting.shift(); table !== undefined; table = waiting.shift())
        done.set(table.table, await stageWithBase({ ...work, context: lane }, table));
      await lane.session.execute("COMMIT", "staging");
    } catch (error) {
      waiting.length = 0; // the other session is not to begin with any more
      throw error;
    }
  };
  const beside = selected === null && total >= bytesForTwo ? await context.openBeside() : null;
  try {
    const lanes = [context, ...(beside === null ? [] : [{ ...context, session: beside }])];
    const ends = await Promise.allSettled(lanes.map(stageRest));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  } finally {
    await beside?.close();
  }
  return plan.tables.map(({ table }) => done.get(table) as StagedTable);
}

async function stageWithBase(work: StagingWork, table: RestoreTable): Promise<StagedTable> {
  const { context, selected, onProgress } = work;
  if (selected?.closure.isUntouched(table.table) === true) return { table: table.table, rows: 0, misfits: [] };
  const source = context.input.backup.tables.find((each) => each.table === table.table) as BackupTable;
  const staged = await stageTable(work, table, source, "s");
  const loose = await stageLooseRows(work, table, source);
  const base = planMergeBase(context).get(table.table);
  const misfits = base === undefined ? [] : (await stageTable(work, base.table, base.source, "b")).misfits;
  onProgress({ table: table.table, rows: staged.rows });
  const rows = staged.rows + loose.rows;
  return { table: table.table, rows, misfits: [...staged.misfits, ...loose.misfits, ...misfits] };
}

/** A copy has no live rows that could be. */
async function stageLooseRows(work: StagingWork, table: RestoreTable, source: BackupTable): Promise<StagedTable> {
  const { context, selected } = work;
  if (selected?.closure.hasLoose(table.table) !== true || table.key.length === 0 || isClone(context))
    return { table: table.table, rows: 0, misfits: [] };
  const narrowed = narrowToLoose(table);
  let expected = 0;
  const lines = looseRows(selected, source, narrowed, () => (expected += 1));
  return await load(work, narrowed, "l", lines, () => expected);
}

async function stageTable(
  work: StagingWork,
  table: RestoreTable,
  source: BackupTable,
  kind: StagingKind,
): Promise<StagedTable> {
  const { context, selected } = work;
  const needed: (readonly string[])[] = [];
  let expected = selected === null ? source.rows : 0;
  const chosen =
    selected === null
      ? source.readRows()
      : filterRows(selected, source, kind, (fate, fields) => {
          expected += 1;
          if (fate === "needed") needed.push(fields);
        });
  const staged = await load(work, table, kind, chosen, () => expected);
  if (kind === "s" && selected !== null && staged.misfits.length === 0) await keepNeeded(context, table, needed);
  return staged;
}

/** `expected`: asked when all rows have passed. */
async function load(
  { context, hasInputCheck }: StagingWork,
  table: RestoreTable,
  kind: StagingKind,
  lines: AsyncIterable<Buffer>,
  expected: () => number,
): Promise<StagedTable> {
  const { session, staging } = context;
  const doing = `staging ${table.table}`;
  await session.execute(createStagingTable(staging, table, kind), doing);
  const rows = await session.copyIn(copyIntoStaging(staging, table, kind), lines, doing);
  if (rows !== expected())
    throw new BackupError("RecoverMismatch", `${table.table} has ${rows} rows where the backup states ${expected()}.`, {
      table: table.table,
    });
  const misfits = await findMisfits(session, staging, table, kind, hasInputCheck);
  const staged = { table: table.table, rows, misfits };
  if (misfits.length > 0) return staged; // refused in the end, when every table was looked at
  const cast = castStagedColumns(staging, table, kind);
  if (cast !== null) await session.execute(cast, doing);
  if (isClone(context)) await session.execute(`ANALYZE ${staging.table(kind, table.number)}`, doing);
  else await finishTable(context, table, kind);
  return staged;
}

/** The rows are as they will be. */
export async function finishTable(
  { session, staging }: RestoreContext,
  table: RestoreTable,
  kind: StagingKind,
): Promise<void> {
  const doing = `staging ${table.table}`;
  const index = indexStagingTable(staging, table, kind);
  if (index !== null) await session.execute(index, doing);
  await session.execute(analyzeStagingTable(staging, table, kind), doing);
  if (kind === "s") await refuseForeignRows(session, staging, table);
}

export async function refuseForeignRows(
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
