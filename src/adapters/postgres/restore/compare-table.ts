// Compares one table's staged rows with its live ones, and keeps what differs as the working table d.
import {
  addLiveOnly,
  advanceNumbers,
  countDifferences,
  createDifference,
  hashShownRows,
  markTakenByKey,
  numbersByPlace,
  readLastNumber,
} from "../../../domain/restore/difference-sql.ts";
import { countIdleLoose, looseKeys, stageLoose } from "../../../domain/restore/loose-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { isStaged, markTakenByValue } from "../../../domain/restore/unique-sql.ts";
import type { ConflictStrategy, LiveOnly, TableDifference } from "../../../domain/restore-request.ts";
import type { LiveFacts } from "./live-facts.ts";
import { planMergeBase } from "./merge-base.ts";
import type { RestoreContext } from "./restore-context.ts";

/** What it is compared for. */
export interface DifferenceIntent {
  readonly strategy: ConflictStrategy;
  readonly liveOnly: LiveOnly;
}

export async function compareTable(
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
