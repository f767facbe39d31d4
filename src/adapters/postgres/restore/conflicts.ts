// Conflicts of a restore: rows that people decide on, each with what the row was when it was shown. They outlive the
// difference that they come from, and follow it: a row that changed since is asked again, one that agrees by now is none.
import { askedKinds } from "../../../domain/restore/difference-sql.ts";
import { keyText } from "../../../domain/restore/row-sql.ts";
import type { TableName } from "../../../domain/schema.ts";
import { quoteLiteral } from "../../../domain/sql-quoting.ts";
import type { ApplyOptions } from "../../../ports/restore-target.ts";
import type { RestoreContext } from "./restore-context.ts";

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

/** Whether one is left that nobody decided, and no default holds for; or whose row is not the one that was shown. */
export async function hasOpenConflicts(
  { session, staging, plan, restoreId }: RestoreContext,
  { defaultDecision, liveOnly }: ApplyOptions,
): Promise<boolean> {
  // With a default, only a decision is asked for again that was made on another row than the one that is there now.
  const isOpen =
    defaultDecision === null
      ? "c.decision IS NULL OR c.live_hash IS DISTINCT FROM d.live_hash"
      : "c.decision IS NOT NULL AND c.live_hash IS DISTINCT FROM d.live_hash";
  for (const table of plan.tables) {
    if (table.key.length === 0) continue;
    const open = await session.value(
      `SELECT EXISTS (SELECT 1 FROM ${staging.table("d", table.number)} AS d LEFT JOIN wedsync_restore.conflicts AS c ON c.restore_id = ${restoreId} AND c.number = d.number ` +
        `WHERE (d.kind IN ${askedKinds(liveOnly)} OR (d.kind = 'missing' AND c.number IS NOT NULL)) AND (${isOpen}))`,
      `looking for open conflicts of ${table.table}`,
    );
    if (open === "t") return true;
  }
  return false;
}

/** @returns their numbers. */
export async function listUndecided({ session, restoreId }: RestoreContext): Promise<readonly number[]> {
  const rows = await session.rows(
    `SELECT number::text AS number FROM wedsync_restore.conflicts WHERE restore_id = ${restoreId} AND decision IS NULL ORDER BY number`,
    "looking for open conflicts",
  );
  return rows.map((row) => Number(row["number"]));
}
