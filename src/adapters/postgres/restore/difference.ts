// Compares staging with live, in one REPEATABLE READ transaction, and keeps the result in staging: for the dry run, for
// decisions, and for the apply, which takes it over where nothing changed since.
import {
  addLiveOnly,
  advanceNumbers,
  askedKinds,
  countDifferences,
  countLiveRows,
  createDifference,
  hashShownRows,
  markTakenByKey,
  numbersByPlace,
  readLastNumber,
} from "../../../domain/restore/difference-sql.ts";
import { countIdleLoose, looseKeys, stageLoose } from "../../../domain/restore/loose-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { keyText } from "../../../domain/restore/row-sql.ts";
import { isStaged, markTakenByValue } from "../../../domain/restore/unique-sql.ts";
import type { ConflictStrategy, LiveOnly, TableDifference } from "../../../domain/restore-request.ts";
import type { TableName } from "../../../domain/schema.ts";
import { quoteLiteral } from "../../../domain/sql-quoting.ts";
import { readLiveFacts, type LiveFacts } from "./live-facts.ts";
import { planMergeBase } from "./merge-base.ts";
import type { RestoreContext } from "./restore-context.ts";

export interface DifferenceIntent {
  readonly strategy: ConflictStrategy;
  readonly liveOnly: LiveOnly;
}

export interface KeptDifference extends DifferenceIntent {
  /** Every transaction below it was over when the tables were compared. */
  readonly since: string;
  readonly liveRows: Readonly<Record<TableName, number>>;
  readonly tables: readonly TableDifference[];
}

/** In a transaction of its own. */
export async function compareAll(
  context: RestoreContext,
  intent: DifferenceIntent,
  stagedRows: ReadonlyMap<TableName, number>,
): Promise<KeptDifference> {
  const { session } = context;
  try {
    await session.beginSnapshot("comparing");
    const facts = await readLiveFacts(
      session,
      context.plan.tables.map((table) => table.table),
    );
    // Single records are compared again in no time; a count of all rows, to know that nothing changed, would take longer.
    const isCounted = context.input.selection.records === null;
    const kept = await compareTables(context, intent, facts, stagedRows, null, isCounted);
    await session.execute("COMMIT", "comparing");
    return kept;
  } catch (error) {
    await session.rollBack();
    throw error;
  }
}

/** Within the caller's transaction. `earlier` is taken over for tables that were counted and did not change since. */
export async function compareTables(
  context: RestoreContext,
  intent: DifferenceIntent,
  facts: LiveFacts,
  stagedRows: ReadonlyMap<TableName, number>,
  earlier: KeptDifference | null,
  isCounted = true,
): Promise<KeptDifference> {
  const { session, staging, plan } = context;
  const since = (await session.value("SELECT pg_snapshot_xmin(pg_current_snapshot())::xid", "comparing")) ?? "3";
  const liveRows: Record<TableName, number> = {};
  const changed = new Set<TableName>();
  for (const counted of isCounted ? plan.tables : []) {
    const { table } = counted;
    const [row] = await session.rows(countLiveRows(counted, earlier?.since ?? since), `counting ${table}`);
    liveRows[table] = Number(row?.["rows"]);
    const same = earlier?.liveRows[table] === liveRows[table] && row?.["recent"] === "0";
    if (!same) changed.add(table);
  }
  const tables: TableDifference[] = [];
  for (const table of plan.tables) {
    // Which rows are the organization's is told by other tables, too; one that is not restored is not watched.
    const holds =
      earlier !== null &&
      earlier.strategy === intent.strategy &&
      earlier.liveOnly === intent.liveOnly &&
      [table.table, ...table.dependsOn].every((name) => liveRows[name] !== undefined && !changed.has(name));
    const known = holds ? earlier.tables.find((each) => each.table === table.table) : undefined;
    const counted = { staged: stagedRows.get(table.table) ?? 0, live: liveRows[table.table] };
    tables.push(known ?? (await compareTable(context, table, intent, facts, counted)));
  }
  const kept: KeptDifference = { since, ...intent, liveRows, tables };
  await session.execute(
    `INSERT INTO ${staging.facts} VALUES ('difference', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    "keeping the difference",
    [JSON.stringify(kept)],
  );
  return kept;
}

async function compareTable(
  context: RestoreContext,
  table: RestoreTable,
  intent: DifferenceIntent,
  facts: LiveFacts,
  rows: { readonly staged: number; readonly live: number | undefined },
): Promise<TableDifference> {
  const { session, staging, input, restoreId } = context;
  const doing = `comparing ${table.table}`;
  const hasLoose = await linkLoose(context, table);
  const [d, e] = [staging.table("d", table.number), staging.table("e", table.number)];
  const hasEarlier = (await session.value("SELECT to_regclass($1) IS NOT NULL", doing, [d])) === "t";
  if (hasEarlier) await session.execute(`ALTER TABLE ${d} RENAME TO e${table.number}`, doing);
  const options = {
    withLiveOnly: input.selection.records === null,
    hasNeeded: input.selection.records !== null && table.key.length > 0,
    hasEarlier,
    keptConflicts: intent.strategy === "prompt" ? restoreId : null,
    lastNumber: await session.count(readLastNumber(staging), doing),
  };
  const found = await session.execute(createDifference(staging, table, options), doing);
  if (found > 0 && numbersByPlace(table, options))
    await session.execute(advanceNumbers(staging, options.lastNumber + found), doing);
  let counts = await countKinds(session, staging, table);
  // Keys are unique on both sides: as many live rows as staged ones that were met are all there are.
  if (options.withLiveOnly && table.key.length > 0 && rows.live !== rows.staged - counts.missing)
    counts = { ...counts, liveOnly: await session.execute(addLiveOnly(staging, table, options), doing) };
  if (hasEarlier) await session.execute(`DROP TABLE ${e}`, doing);
  await session.execute(`ANALYZE ${d}`, doing);
  if (table.key.length > 0 && counts.missing + counts.changed > 0) {
    let taken = counts.missing === 0 ? 0 : await session.execute(markTakenByKey(staging, table), doing);
    taken += await markTaken(session, staging, table, intent, facts, input.mergeBase !== null);
    if (taken > 0) counts = await countKinds(session, staging, table);
  }
  if (table.key.length > 0 && intent.strategy === "prompt") await session.execute(hashShownRows(staging, table), doing);
  await session.execute(`CREATE INDEX ON ${d} (number)`, doing);
  const { missing, changed, liveOnly, taken } = counts;
  const idle = hasLoose ? await session.count(countIdleLoose(staging, table), doing) : 0;
  return {
    table: table.table,
    missing,
    changed,
    liveOnly,
    taken,
    same: rows.staged - idle - missing - changed - taken,
  };
}

/** @returns whether the table has rows that were cut loose from a record that comes back. */
async function linkLoose(context: RestoreContext, table: RestoreTable): Promise<boolean> {
  const { session, staging, input, plan } = context;
  if (input.selection.records === null) return false;
  const doing = `looking for rows of ${table.table} that were cut loose`;
  const l = staging.table("l", table.number);
  if ((await session.value("SELECT to_regclass($1) IS NOT NULL", doing, [l])) !== "t") return false;
  const bases = planMergeBase(context);
  const references = looseKeys(table).flatMap((key) => {
    const parent = plan.tables.find((each) => each.table === key.referencedTable);
    return parent === undefined ? [] : [{ key, parent, parentHasBase: bases.has(parent.table) }];
  });
  for (const sql of stageLoose(staging, table, references)) await session.execute(sql, doing);
  return true;
}

async function markTaken(
  session: RestoreContext["session"],
  staging: RestoreContext["staging"],
  table: RestoreTable,
  intent: DifferenceIntent,
  facts: LiveFacts,
  threeWay: boolean,
): Promise<number> {
  const indexes = (facts.uniqueIndexes.get(table.table) ?? []).filter((index) => isStaged(table, index));
  const { strategy, liveOnly } = intent;
  // What a merge writes is not known yet: the database itself refuses where it can't be.
  const fate = {
    writesChanged: strategy === "overwrite" || strategy === "prompt",
    movesChanged: strategy !== "skip" && (strategy !== "merge" || threeWay),
    removesLiveOnly: liveOnly === "mirror",
  };
  let taken = 0;
  for (let marked = indexes.length; marked > 0; taken += marked) {
    marked = 0;
    for (const index of indexes)
      marked += await session.execute(
        markTakenByValue(staging, table, index, fate),
        `looking for taken values of ${index.name}`,
      );
  }
  return taken;
}

async function countKinds(session: RestoreContext["session"], staging: RestoreContext["staging"], table: RestoreTable) {
  const rows = await session.rows(countDifferences(staging, table), `counting ${table.table}`);
  const count = (kind: string): number => Number(rows.find((row) => row["kind"] === kind)?.["count"] ?? 0);
  return { missing: count("missing"), changed: count("changed"), liveOnly: count("live only"), taken: count("taken") };
}

/**
 * Conflicts that wait for a decision; one whose row changed since it was shown is open again.
 *
 * @returns how many each table has that are undecided.
 */
export async function keepConflicts(context: RestoreContext): Promise<ReadonlyMap<TableName, number>> {
  const { session, staging, plan, restoreId, input } = context;
  const asked = askedKinds(input.liveOnly);
  const known = input.liveOnly === "mirror" ? "true" : "d.kind <> 'live only'";
  for (const table of plan.tables) {
    if (table.key.length === 0) continue;
    const doing = `keeping the conflicts of ${table.table}`;
    const d = staging.table("d", table.number);
    const name = quoteLiteral(table.table);
    await session.execute(
      `UPDATE wedsync_restore.conflicts AS c SET live_hash = d.live_hash, decision = NULL FROM ${d} AS d ` +
        `WHERE c.restore_id = ${restoreId} AND c.table_name = ${name} AND c.number = d.number AND ${known} AND c.live_hash IS DISTINCT FROM d.live_hash`,
      doing,
    );
    await session.execute(
      `DELETE FROM wedsync_restore.conflicts AS c WHERE c.restore_id = ${restoreId} AND c.table_name = ${name} AND NOT EXISTS (SELECT 1 FROM ${d} AS d WHERE d.number = c.number AND ${known})`,
      doing,
    );
    await session.execute(
      `INSERT INTO wedsync_restore.conflicts (restore_id, number, table_name, key, live_hash) SELECT ${restoreId}, d.number, ${name}, ${keyText("d", table)}, d.live_hash ` +
        `FROM ${d} AS d WHERE d.kind IN ${asked} AND NOT EXISTS (SELECT 1 FROM wedsync_restore.conflicts AS c WHERE c.restore_id = ${restoreId} AND c.number = d.number)`,
      doing,
    );
  }
  const open = await session.rows(
    `SELECT table_name, count(*)::text AS count FROM wedsync_restore.conflicts WHERE restore_id = ${restoreId} AND decision IS NULL GROUP BY 1`,
    "counting conflicts",
  );
  return new Map(open.map((row) => [row["table_name"] as TableName, Number(row["count"])]));
}
