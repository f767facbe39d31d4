// Into an empty Postgres in one transaction on one session: tables → rows → keys, indexes, sequences → foreign keys → every
// table read back and compared with the manifest → mark and commit.
import { inPlace } from "../domain/placed-ddl.ts";
import type { DdlStep } from "../domain/ddl-step.ts";
import type { RecoveryDdl } from "../domain/recovery-ddl.ts";
import { markCompleted } from "./completed-recovery.ts";
import { loadTable, proveTable } from "./recover-rows.ts";
import type { RecoverWork } from "./recover-work.ts";
import type { TargetDatabase } from "./target-database.ts";

/** @param plan with every table in its own place @returns what was left out. */
export async function recoverAtOnce(
  { target, vault, manifest, ...tell }: RecoverWork,
  plan: RecoveryDdl,
): Promise<readonly string[]> {
  const source = { vault, manifest, place: inPlace };
  const leftOut: string[] = [];
  const runAll = (steps: readonly DdlStep[]): Promise<void> => runSteps(target, steps, leftOut);
  await target.begin();
  await target.createSchemas(plan.schemas);
  await runAll(plan.before);
  // Functions of generated columns and checks may name things without their schema, as they could at home.
  await target.setSearchPath(plan.schemas);
  for (const table of manifest.tables) {
    await loadTable(target, source, table, (bytes) => tell.onBytes(table.table, bytes));
    tell.onTable(table.rows);
  }
  tell.report("keys", "");
  await runAll(plan.after);
  await runAll(plan.foreignKeys);
  await target.setSearchPath([]); // rows are compared as they were read
  for (const table of manifest.tables) {
    tell.report("proof", table.table);
    await proveTable(target, source, table);
  }
  await markCompleted(target, plan, { backupId: manifest.backupId, notes: leftOut });
  await target.execute("COMMIT", "committing");
  return leftOut;
}

/** `leftOut` gets what the database refused. */
export async function runSteps(target: TargetDatabase, steps: readonly DdlStep[], leftOut: string[]): Promise<void> {
  for (const step of steps) {
    const note = await target.run(step);
    if (note !== null) leftOut.push(note);
  }
}
