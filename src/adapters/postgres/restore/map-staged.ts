// Gives the staged rows of a copy their new keys.
import type { ClonePlan } from "../../../domain/restore/clone-plan.ts";
import { createCloneFunctions, createKeys, createPaths, mapStagedRows } from "../../../domain/restore/clone-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import { findOldIds, refuseStrangers, refuseTooLong } from "./check-copied-rows.ts";
import { nameClone } from "./clone-names.ts";
import { planBackup } from "./plan-backup.ts";
import type { RestoreContext } from "./restore-context.ts";

/** The organization that is copied owns every staged row, by the row itself. */
export function planSource({ input, liveSchema }: RestoreContext): readonly RestoreTable[] {
  return planBackup(input, liveSchema, { organizationId: input.organizationId }).tables;
}

/** All tables are staged, under their old keys. @returns notes for people. @throws CloneRefused */
export async function mapStaged(context: RestoreContext, clone: ClonePlan): Promise<readonly string[]> {
  const { session, staging, plan, liveSchema, restoreId } = context;
  await refuseStrangers(context, clone);
  const names = await nameClone(context);
  await session.execute(createCloneFunctions(staging, clone, names), "making new keys");
  for (const space of clone.spaces)
    for (const sql of createKeys(staging, space, plan.tables, restoreId, names))
      await session.execute(sql, `making new keys for ${space.name}`);
  await session.execute(`CREATE INDEX ON ${staging.keys} (old, space); ANALYZE ${staging.keys}`, "making new keys");
  for (const table of plan.tables)
    for (const [column, change] of clone.changes.get(table.table) ?? [])
      if (change.by === "path")
        await session.execute(createPaths(staging, table, column), `naming the files of ${table.table}`);
  await session.execute(`CREATE INDEX ON ${staging.paths} (old); ANALYZE ${staging.paths}`, "naming files");
  await refuseTooLong(context, clone);
  for (const table of plan.tables) {
    const sql = mapStagedRows(staging, table, clone, liveSchema);
    if (sql !== null) await session.execute(sql, `giving new keys to ${table.table}`);
  }
  return await findOldIds(context, clone);
}
