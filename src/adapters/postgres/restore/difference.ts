// Compares staging with live, in one REPEATABLE READ transaction, and keeps the result in staging: for the dry run, for
// decisions, and for the apply, which takes it over where nothing changed since.
import { countLiveRows } from "../../../domain/restore/difference-sql.ts";
import type { TableDifference } from "../../../domain/restore-request.ts";
import type { TableName } from "../../../domain/schema.ts";
import { compareTable, type DifferenceIntent } from "./compare-table.ts";
import { readLiveFacts, type LiveFacts } from "./live-facts.ts";
import type { RestoreContext } from "./restore-context.ts";

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

/** Within the caller's transaction. What was kept is taken over for tables that were counted and did not change since. */
export async function compareAgain(
  context: RestoreContext,
  intent: DifferenceIntent,
  facts: LiveFacts,
  stagedRows: ReadonlyMap<TableName, number>,
): Promise<KeptDifference> {
  const { session, staging } = context;
  const earlier = await session.value(
    `SELECT value FROM ${staging.facts} WHERE name = 'difference'`,
    "looking for the difference",
  );
  const kept = earlier === null ? null : (JSON.parse(earlier) as KeptDifference);
  return await compareTables(context, intent, facts, stagedRows, kept, true);
}

async function compareTables(
  context: RestoreContext,
  intent: DifferenceIntent,
  facts: LiveFacts,
  stagedRows: ReadonlyMap<TableName, number>,
  earlier: KeptDifference | null,
  isCounted: boolean,
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
