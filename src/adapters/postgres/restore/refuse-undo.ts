// What a rollback must leave as it is: rows that somebody changed since, rows that others need or whose parents are gone, and
// rows whose unique values are taken by now. Found before anything is written, and named.
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import {
  countRefused,
  refuseChanged,
  refuseNeeded,
  refuseParentless,
  refuseTaken,
  settleRefused,
} from "../../../domain/restore/undo-sql.ts";
import { markTakenByValue } from "../../../domain/restore/unique-sql.ts";
import type { RollbackRefusal } from "../../../ports/restore-target.ts";
import type { WriteContext } from "./write-context.ts";

/** Marks them in the working tables. @returns how many each table has, by reason. */
export async function refuseUndo(context: WriteContext, tables: readonly RestoreTable[]): Promise<RollbackRefusal[]> {
  const { session, staging } = context;
  for (const table of tables.filter(({ key }) => key.length > 0))
    for (const sql of refuseChanged(staging, table))
      await session.execute(sql, `looking for newer changes of ${table.table}`);
  await spreadRefusals(context, tables);
  return await listRefused(context, tables);
}

/** One refusal may bring others with it: a row that stays needs its parent, and keeps its unique values. */
async function spreadRefusals(
  { session, staging, facts }: WriteContext,
  tables: readonly RestoreTable[],
): Promise<void> {
  const all = new Map(tables.map((table) => [table.table, table]));
  const keyed = new Map(tables.filter((table) => table.key.length > 0).map((table) => [table.table, table]));
  for (let grown = 1; grown > 0;) {
    grown = 0;
    for (const key of facts.foreignKeys) {
      const parent = keyed.get(key.referencedTable) ?? null;
      const child = keyed.get(key.rootTable) ?? null;
      const doing = `looking for rows that need ${key.referencedTable}`;
      if (parent !== null)
        grown += await session.execute(refuseNeeded(staging, parent, key, all.get(key.rootTable) ?? null), doing);
      if (child !== null) grown += await session.execute(refuseParentless(staging, child, key, parent), doing);
    }
    for (const table of keyed.values()) {
      const doing = `looking for taken values of ${table.table}`;
      await session.execute(settleRefused(staging, table), doing);
      for (const index of facts.uniqueIndexes.get(table.table) ?? [])
        await session.execute(
          markTakenByValue(staging, table, index, { writesChanged: true, movesChanged: true, removesLiveOnly: true }),
          doing,
        );
      grown += await session.execute(refuseTaken(staging, table), doing);
    }
  }
}

async function listRefused(
  { session, staging }: WriteContext,
  tables: readonly RestoreTable[],
): Promise<RollbackRefusal[]> {
  const refused: RollbackRefusal[] = [];
  for (const table of tables) {
    const doing = `listing what can't be undone in ${table.table}`;
    if (table.key.length > 0) {
      for (const row of await session.rows(countRefused(staging, table), doing))
        refused.push({
          table: table.table,
          rows: Number(row["count"]),
          reason: row["refused"] as RollbackRefusal["reason"],
        });
      continue;
    }
    const gone = await session.count(
      `SELECT coalesce(sum(wanted - copies), 0) FROM ${staging.table("w", table.number)}`,
      doing,
    );
    if (gone > 0) refused.push({ table: table.table, rows: gone, reason: "changed since" });
  }
  return refused;
}
