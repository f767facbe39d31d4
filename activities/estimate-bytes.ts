// How much an organization holds, by the planner's statistics: no row is read. For percent and read-ahead, never for truth.
import type { ClosureTable } from "../src/domain/catalogue.ts";
import type { SnapshotReader } from "../src/ports/source-database.ts";

/** Below this the answer changes nothing, and asking costs a small backup more than it saves. */
const worthAskingBytes = 16 * 1024 * 1024;

export async function estimateBytes(
  reader: SnapshotReader,
  tables: readonly ClosureTable[],
  organizationId: string,
): Promise<number> {
  const ceiling = tables.reduce((sum, table) => sum + table.estimatedBytes, 0);
  if (ceiling < worthAskingBytes) return ceiling;
  let total = 0;
  for (const table of tables) {
    if (table.estimatedBytes < 1024 * 1024) continue;
    const [answer] = await reader.query(`EXPLAIN (FORMAT JSON) ${table.rowsSql}`, [organizationId]);
    const text = answer === undefined ? null : Object.values(answer)[0];
    if (typeof text !== "string") continue;
    const [plan] = JSON.parse(text) as { Plan: { "Plan Rows": number; "Plan Width": number } }[];
    if (plan !== undefined) total += plan.Plan["Plan Rows"] * plan.Plan["Plan Width"];
  }
  return total;
}
