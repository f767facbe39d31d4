// Applies a restore: everything between BEGIN and COMMIT of one REPEATABLE READ transaction. A concurrent edit of the same
// rows makes it start again from a new snapshot; a lost answer is found in wedsync_restore.restores.
import { setTimeout as wait } from "node:timers/promises";
import { BackupError } from "../../../domain/errors.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import type { AppliedTable } from "../../../domain/restore-request.ts";
import type { TableName } from "../../../domain/schema.ts";
import type { ApplyOptions, ApplyResult, RestorePlanInput } from "../../../ports/restore-target.ts";
import { advanceSequences } from "./advance-sequences.ts";
import { isClone, refuseExistingTarget } from "./clone.ts";
import { hasOpenConflicts, keepConflicts, listUndecided } from "./conflicts.ts";
import { compareAgain, compareAll, type KeptDifference } from "./difference.ts";
import { keepUndoLog } from "./keep-undo-log.ts";
import { readLiveFacts } from "./live-facts.ts";
import { planChanges } from "./plan-changes.ts";
import { proveWrites } from "./prove.ts";
import { proveMirror } from "./prove-mirror.ts";
import { refuseTaken } from "./refuse-taken.ts";
import { withContext, withSession, type RestoreContext } from "./restore-context.ts";
import type { RestoreSession } from "./restore-session.ts";
import { asStaged, ensureStaged } from "./stage.ts";
import { rememberPlan } from "./remembered-plan.ts";
import { chooseMode, type WriteContext } from "./write-context.ts";
import type { WritePart } from "./write-part.ts";
import { writeParts } from "./write-parts.ts";

const maxTries = 5;

export async function applyRestore(url: string, input: RestorePlanInput, options: ApplyOptions): Promise<ApplyResult> {
  const done = await withSession(url, input.restoreId, (session) => findApplied(session, input.restoreId));
  if (done !== null) return done;
  for (let attempt = 1; ; attempt++) {
    try {
      return await withContext(url, input, (context) => applyOnce(url, context, options));
    } catch (error) {
      const code = error instanceof BackupError ? error.code : null;
      // A unique value that appeared since the comparison is seen by the next one, and is then a conflict by name.
      const mayPass =
        code === "RestoreTargetBusy" ||
        (code === "RestoreConflict" && (error as BackupError).details["sqlState"] === "23505" && attempt === 1);
      if (mayPass && attempt < maxTries) {
        await wait(50 * 2 ** attempt * Math.random());
        continue;
      }
      if (code === "RestoreTargetUnreachable") {
        // It may have been lost after the commit.
        const applied = await withSession(url, input.restoreId, (session) =>
          findApplied(session, input.restoreId),
        ).catch(() => null);
        if (applied !== null) return applied;
      }
      throw error;
    }
  }
}

async function findApplied(session: RestoreSession, restoreId: string): Promise<ApplyResult | null> {
  const doing = "looking for an earlier apply";
  if ((await session.value("SELECT to_regclass('wedsync_restore.restores') IS NOT NULL", doing)) !== "t") return null;
  const [row] = await session.rows("SELECT result, status FROM wedsync_restore.restores WHERE restore_id = $1", doing, [
    restoreId,
  ]);
  if (row === undefined) return null;
  if (row["status"] === "abandoned")
    throw new BackupError("RestoreNotFound", "This restore was given up before it was applied; start a new one.");
  if (row["status"] !== "applied")
    throw new BackupError("UsageInvalid", "This restore was applied and rolled back; start a new one.");
  return JSON.parse(row["result"] ?? "null") as ApplyResult;
}

async function applyOnce(url: string, whole: RestoreContext, options: ApplyOptions): Promise<ApplyResult> {
  const { session, staging, input } = whole;
  // Again under the lock that this session holds to its end: since the last look somebody may have given the restore up.
  const done = await findApplied(session, input.restoreId);
  if (done !== null) return done;
  const staged = await ensureStaged(whole);
  const context = asStaged(whole, staged.tables);
  const { plan, liveSchema, restoreId } = context;
  const stagedRows = new Map(staged.tables.map(({ table, rows }) => [table, rows]));
  try {
    await session.beginSnapshot("beginning");
    if (isClone(context)) await refuseExistingTarget(context);
    const mode = await chooseMode(session);
    const facts = await readLiveFacts(
      session,
      plan.tables.map((table) => table.table),
    );
    const difference = await compareAgain(context, options, facts, stagedRows);
    if (options.strategy === "prompt" && (await hasOpenConflicts(context, options))) {
      await session.execute("ROLLBACK", "asking again");
      return { applied: false, askAgain: await showAgain(context, options, stagedRows) };
    }
    await refuseTaken(context, difference, options);
    const write: WriteContext = { session, staging, liveSchema, facts, mode, restoreId };
    const parts = await planChanges(context, difference, options, write, stagedRows);
    const startedMs = performance.now();
    const proofs = await writeAndProve(url, context, options, write, parts, difference);
    const result: ApplyResult = {
      applied: true,
      tables: summarize(difference, parts),
      lockedMs: Math.round(performance.now() - startedMs),
      proofs,
    };
    await keepResult(context, result, parts);
    await session.execute("COMMIT", "committing");
    return result;
  } catch (error) {
    await session.rollBack();
    throw error;
  }
}

/** Compares again, so that what is shown next is what is there now. */
async function showAgain(
  context: RestoreContext,
  options: ApplyOptions,
  stagedRows: ReadonlyMap<TableName, number>,
): Promise<readonly number[]> {
  await compareAll(context, options, stagedRows);
  await keepConflicts(context);
  // Only these: the number of a row that differs since was given back with the transaction that had asked for it.
  return await listUndecided(context);
}

/** @returns what was proven, and how it was written; for people. */
async function writeAndProve(
  url: string,
  context: RestoreContext,
  options: ApplyOptions,
  write: WriteContext,
  parts: readonly WritePart[],
  { liveRows }: KeptDifference,
): Promise<readonly string[]> {
  const liveRowsBefore = ({ table }: RestoreTable): number => liveRows[table] ?? 0;
  await writeParts(write, parts);
  await keepUndoLog(write, parts, liveRowsBefore);
  const sequences = await advanceSequences(write, parts);
  return [
    ...(await proveWrites({ context: write, parts, url, liveRowsBefore })),
    ...(await proveMirror(context, options)),
    ...(options.strategy === "merge" ? [describeMerge(context, parts)] : []),
    ...(sequences === 0 ? [] : [`${sequences} sequences advanced`]),
    write.mode === "replica" ? "triggers rested" : "triggers ran",
  ];
}

async function keepResult(context: RestoreContext, result: ApplyResult, parts: readonly WritePart[]): Promise<void> {
  const { session, input } = context;
  await session.execute(
    "INSERT INTO wedsync_restore.restores (restore_id, organization_id, status, result, plan) VALUES ($1, $2, 'applied', $3, $4)",
    "keeping the result",
    [input.restoreId, input.targetOrganizationId, JSON.stringify(result), JSON.stringify(rememberPlan(context, parts))],
  );
}

function describeMerge({ input }: RestoreContext, parts: readonly WritePart[]): string {
  if (input.mergeBase === null)
    return "merged two-way: only empty values were filled, also those that were emptied on purpose";
  const conflicts = parts.reduce((sum, part) => sum + part.mergeConflicts, 0);
  return `merged three-way: ${conflicts} rows keep a live value that both sides had changed`;
}

function summarize(difference: KeptDifference, parts: readonly WritePart[]): AppliedTable[] {
  return difference.tables.map(({ table, missing, changed, taken, same }) => {
    const part = parts.find((each) => each.table.table === table);
    const [inserted, updated, deleted] = [part?.inserted ?? 0, part?.updated ?? 0, part?.deleted ?? 0];
    return { table, inserted, updated, deleted, unchanged: missing + changed + taken + same - inserted - updated };
  });
}
