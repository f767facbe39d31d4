// Applies a restore: everything between BEGIN and COMMIT of one REPEATABLE READ transaction. A concurrent edit of the same
// rows makes it start again from a new snapshot; a lost answer is found in wedsync_restore.restores.
import { setTimeout as wait } from "node:timers/promises";
import { BackupError } from "../../../domain/errors.ts";
import { askedKinds } from "../../../domain/restore/difference-sql.ts";
import { isAsInBase, wasGoneInBase } from "../../../domain/restore/merge-sql.ts";
import type { RestoreTable } from "../../../domain/restore/restore-table.ts";
import type { Staging } from "../../../domain/restore/staging-names.ts";
import { createInsertAllWork, createWholeRowWork, createWork } from "../../../domain/restore/write-sql.ts";
import type { AppliedTable } from "../../../domain/restore-request.ts";
import type { TableName } from "../../../domain/schema.ts";
import { quoteLiteral } from "../../../domain/sql-quoting.ts";
import type { ApplyOptions, ApplyResult, RestorePlanInput } from "../../../ports/restore-target.ts";
import { advanceSequences } from "./advance-sequences.ts";
import { isClone, refuseExistingTarget } from "./clone.ts";
import { compareAll, compareTables, keepConflicts, type KeptDifference } from "./difference.ts";
import { readLiveFacts } from "./live-facts.ts";
import { planMergeBase } from "./merge-base.ts";
import { proveWrites } from "./prove.ts";
import { proveMirror } from "./prove-mirror.ts";
import { withContext, withSession, type RestoreContext } from "./restore-context.ts";
import type { RestoreSession } from "./restore-session.ts";
import { asStaged, ensureStaged } from "./stage.ts";
import { rememberPlan } from "./remembered-plan.ts";
import { chooseMode, logParts, preparePart, writeParts, type WriteContext, type WritePart } from "./write-changes.ts";

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
  const { plan } = context;
  const stagedRows = new Map(staged.tables.map(({ table, rows }) => [table, rows]));
  try {
    await session.beginSnapshot("beginning");
    if (isClone(context)) await refuseExistingTarget(context);
    const mode = await chooseMode(session);
    const facts = await readLiveFacts(
      session,
      plan.tables.map((table) => table.table),
    );
    const earlier = await session.value(
      `SELECT value FROM ${staging.facts} WHERE name = 'difference'`,
      "looking for the difference",
    );
    const difference = await compareTables(
      context,
      options,
      facts,
      stagedRows,
      earlier === null ? null : (JSON.parse(earlier) as KeptDifference),
    );
    if (options.strategy === "prompt") {
      const askAgain = await findOpenConflicts(context, options);
      if (askAgain.length > 0) {
        await session.execute("ROLLBACK", "asking again");
        return { applied: false, askAgain: await showAgain(context, options, stagedRows) };
      }
    }
    await refuseTaken(context, difference, options);
    const write: WriteContext = {
      session,
      staging,
      liveSchema: context.liveSchema,
      facts,
      mode,
      restoreId: context.restoreId,
    };
    const parts = await planParts(context, difference, options, write, stagedRows);
    const startedMs = performance.now();
    const liveRowsBefore = ({ table }: RestoreTable): number => difference.liveRows[table] ?? 0;
    await writeParts(write, parts);
    await logParts(write, parts, liveRowsBefore);
    const sequences = await advanceSequences(write, parts);
    const proofs = await proveWrites({ context: write, parts, url, liveRowsBefore });
    const tables = summarize(difference, parts);
    const result: ApplyResult = {
      applied: true,
      tables,
      lockedMs: Math.round(performance.now() - startedMs),
      proofs: [
        ...proofs,
        ...(await proveMirror(context, options)),
        ...(options.strategy === "merge" ? [describeMerge(context, parts)] : []),
        ...(sequences === 0 ? [] : [`${sequences} sequences advanced`]),
        mode === "replica" ? "triggers rested" : "triggers ran",
      ],
    };
    await session.execute(
      "INSERT INTO wedsync_restore.restores (restore_id, organization_id, status, result, plan) VALUES ($1, $2, 'applied', $3, $4)",
      "keeping the result",
      [
        input.restoreId,
        input.targetOrganizationId,
        JSON.stringify(result),
        JSON.stringify(rememberPlan(context, parts)),
      ],
    );
    await session.execute("COMMIT", "committing");
    return result;
  } catch (error) {
    await session.rollBack();
    throw error;
  }
}

async function planParts(
  context: RestoreContext,
  difference: KeptDifference,
  options: ApplyOptions,
  write: WriteContext,
  stagedRows: ReadonlyMap<TableName, number>,
): Promise<WritePart[]> {
  const { session, staging, restoreId } = context;
  const mirror = options.liveOnly === "mirror";
  const parts: WritePart[] = [];
  const bases = planMergeBase(context);
  for (const table of context.plan.tables) {
    const base = bases.get(table.table);
    const counts = difference.tables.find((each) => each.table === table.table);
    const touches =
      counts !== undefined &&
      counts.missing + (options.strategy === "skip" ? 0 : counts.changed) + (mirror ? counts.liveOnly : 0) > 0;
    if (!touches) continue;
    if (table.unfilled.length > 0 && counts.missing > 0)
      throw new BackupError(
        "SchemaDrifted",
        `${counts.missing} rows of ${table.table} are missing, and can't come back without ${table.unfilled.join(", ")}: NOT NULL, no default, and not in the backup. Nothing was written.`,
        { table: table.table },
      );
    const staged = stagedRows.get(table.table);
    // Rows that were cut loose from a record count as staged, too, and are never missing.
    const insertsAll =
      table.key.length > 0 &&
      options.strategy !== "prompt" &&
      base === undefined &&
      counts.missing === staged &&
      (counts.liveOnly === 0 || !mirror);
    const sql =
      table.key.length === 0
        ? createWholeRowWork(staging, table, mirror)
        : insertsAll
          ? createInsertAllWork(staging, table)
          : createWork(
              staging,
              table,
              operationOf(options, staging, table, base?.names ?? null),
              mergedOf(options),
              options.strategy === "prompt" ? restoreId : null,
            );
    await session.execute(sql, `planning ${table.table}`);
    const merge = table.key.length > 0 && mayMerge(options) ? { baseNames: base?.names ?? null } : null;
    const part: WritePart = {
      table,
      inserted: insertsAll ? counts.missing : 0,
      updated: 0,
      deleted: 0,
      changed: [],
      parked: 0,
      insertsAll,
      merge,
      mergeConflicts: 0,
    };
    await preparePart(write, part);
    if (part.inserted + part.updated + part.deleted > 0) parts.push(part);
  }
  return parts;
}

/** What becomes of a row of d, as an expression; NULL = nothing. */
function operationOf(
  { strategy, liveOnly, defaultDecision }: ApplyOptions,
  staging: Staging,
  table: RestoreTable,
  baseNames: readonly string[] | null,
): string {
  const base = strategy === "merge" ? baseNames : null;
  const changed = {
    overwrite: "'update'",
    skip: "NULL",
    merge: "'update'",
    prompt: `CASE WHEN ${decision(defaultDecision)} <> 'keep live' THEN 'update' END`,
  }[strategy];
  const missing =
    strategy === "prompt"
      ? "CASE WHEN c.decision IS DISTINCT FROM 'keep live' THEN 'insert' END"
      : base === null
        ? "'insert'"
        : `CASE WHEN ${wasGoneInBase(staging, table)} THEN 'insert' END`;
  const removed = base === null ? "'delete'" : `CASE WHEN ${isAsInBase(staging, table, base)} THEN 'delete' END`;
  const asked = `CASE WHEN ${decision(defaultDecision)} = 'take backup' THEN 'delete' END`;
  const liveOnlyRows = liveOnly === "keep" ? "NULL" : strategy === "prompt" ? asked : removed;
  return `CASE d.kind WHEN 'missing' THEN ${missing} WHEN 'changed' THEN ${changed} WHEN 'live only' THEN ${liveOnlyRows} END`;
}

const mayMerge = ({ strategy }: ApplyOptions): boolean => strategy === "merge" || strategy === "prompt";

function mergedOf({ strategy, defaultDecision }: ApplyOptions): string {
  if (strategy === "merge") return "d.kind = 'changed'";
  return strategy === "prompt" ? `d.kind = 'changed' AND ${decision(defaultDecision)} = 'merge'` : "false";
}

const decision = (fallback: ApplyOptions["defaultDecision"]): string =>
  fallback === null ? "c.decision" : `coalesce(c.decision, ${quoteLiteral(fallback)})`;

/** Numbers that nobody decided, and no default holds for; or whose row is not the one that was shown. */
async function findOpenConflicts(
  { session, staging, plan, restoreId }: RestoreContext,
  { defaultDecision, liveOnly }: ApplyOptions,
): Promise<number[]> {
  const open: number[] = [];
  for (const table of plan.tables) {
    if (table.key.length === 0) continue;
    // With a default, only a decision is asked for again that was made on another row than the one that is there now.
    const isOpen =
      defaultDecision === null
        ? "c.decision IS NULL OR c.live_hash IS DISTINCT FROM d.live_hash"
        : "c.decision IS NOT NULL AND c.live_hash IS DISTINCT FROM d.live_hash";
    const rows = await session.rows(
      `SELECT d.number::text AS number FROM ${staging.table("d", table.number)} AS d LEFT JOIN wedsync_restore.conflicts AS c ON c.restore_id = ${restoreId} AND c.number = d.number ` +
        `WHERE (d.kind IN ${askedKinds(liveOnly)} OR (d.kind = 'missing' AND c.number IS NOT NULL)) AND (${isOpen}) ORDER BY d.number`,
      `looking for open conflicts of ${table.table}`,
    );
    open.push(...rows.map((row) => Number(row["number"])));
  }
  return open;
}

/** Compares again, so that what is shown next is what is there now. */
async function showAgain(
  context: RestoreContext,
  options: ApplyOptions,
  stagedRows: ReadonlyMap<TableName, number>,
): Promise<readonly number[]> {
  await compareAll(context, options, stagedRows);
  await keepConflicts(context);
  const { session, restoreId } = context;
  const rows = await session.rows(
    `SELECT number::text AS number FROM wedsync_restore.conflicts WHERE restore_id = ${restoreId} AND decision IS NULL ORDER BY number`,
    "looking for open conflicts",
  );
  // Only these: the number of a row that differs since was given back with the transaction that had asked for it.
  return rows.map((row) => Number(row["number"]));
}

async function refuseTaken(
  { session, staging, plan, restoreId }: RestoreContext,
  difference: KeptDifference,
  options: ApplyOptions,
): Promise<void> {
  const lines: string[] = [];
  for (const { table, taken } of difference.tables) {
    const planned = plan.tables.find((each) => each.table === table);
    if (taken === 0 || planned === undefined) continue;
    const kept =
      options.strategy === "prompt"
        ? await session.count(
            `SELECT count(*) FROM ${staging.table("d", planned.number)} AS d JOIN wedsync_restore.conflicts AS c ON c.restore_id = ${restoreId} AND c.number = d.number WHERE d.kind = 'taken' AND ${decision(options.defaultDecision)} = 'keep live'`,
            `looking at taken rows of ${table}`,
          )
        : 0;
    if (kept < taken) lines.push(`${table}: ${taken - kept} rows`);
  }
  if (lines.length === 0) return;
  throw new BackupError(
    "RestoreConflict",
    `These rows can't come back, for their key or a unique value is held by a row that this restore may not touch; nothing was written:\n- ${lines.join("\n- ")}\nLook at them in the dry run (kind "taken"); leave them out by choosing tables or records, or by the decision to keep live.`,
    { tables: lines },
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
