// The restore target on Postgres. Each method opens its own connection and is safe to repeat: stage → diff → (decide) →
// apply → rollback, each a file of this folder; the SQL and the planning are pure and lie in src/domain/restore.
// Never: ON CONFLICT on a key (it takes over another tenant's row), a lock on a whole table, a trigger switched off for
// others, a sequence set back.
import { stagingOf, withContext, withSession } from "./restore-context.ts";
import type { RestoreTarget } from "../../../ports/restore-target.ts";
import { describeUrl } from "../postgres-source.ts";
import { applyRestore } from "./apply.ts";
import { keepConflicts } from "./conflicts.ts";
import { compareAll } from "./difference.ts";
import { giveUpRestore, listStaged } from "./give-up.ts";
import { forgetRestores } from "./forget.ts";
import { rollBackRestore } from "./rollback.ts";
import { asStaged, ensureStaged } from "./stage.ts";
import { decide, decideRest } from "./decisions.ts";
import { readDifferences } from "./read-differences.ts";
import { forgetClone } from "./clone-names.ts";
import { readStagedPaths } from "./read-staged-paths.ts";

export interface RestoreTargetOptions {
  readonly url: string;
}

export function createRestoreTarget({ url }: RestoreTargetOptions): RestoreTarget {
  return {
    description: describeUrl(url),
    checkDrift: (input) => withContext(url, input, async ({ plan }) => plan.drift),
    stage: (input, onProgress) => withContext(url, input, (context) => ensureStaged(context, onProgress)),
    diff: (input) =>
      withContext(url, input, async (whole) => {
        const staged = await ensureStaged(whole);
        const context = asStaged(whole, staged.tables);
        const rows = new Map(staged.tables.map((entry) => [entry.table, entry.rows]));
        const kept = await compareAll(context, input, rows);
        if (input.strategy !== "prompt") return kept.tables;
        const undecided = await keepConflicts(context);
        return kept.tables.map((each) => ({ ...each, undecided: undecided.get(each.table) ?? 0 }));
      }),
    readDifferences: (restoreId, page) =>
      withSession(url, restoreId, (session) => readDifferences(session, restoreId, page)),
    decide: (restoreId, decisions) => withSession(url, restoreId, (session) => decide(session, restoreId, decisions)),
    decideRest: (restoreId, rest) => withSession(url, restoreId, (session) => decideRest(session, restoreId, rest)),
    readStagedPaths: (restoreId, columns) =>
      withSession(url, restoreId, (session) => readStagedPaths(session, restoreId, columns)),
    apply: (input, options) => applyRestore(url, input, options),
    rollback: (restoreId, options) =>
      withSession(url, restoreId, (session) => rollBackRestore(url, session, restoreId, options)),
    dropStaging: (restoreId) =>
      withSession(url, restoreId, async (session) => {
        await session.execute(
          `DROP SCHEMA IF EXISTS ${stagingOf(restoreId).schema} CASCADE`,
          "dropping the staging schema",
        );
        await forgetClone(session, restoreId);
      }),
    giveUp: (restoreId, options) => giveUpRestore(url, restoreId, options),
    listStaged: () => listStaged(url),
    forget: (organizationId, restoreIds) => forgetRestores(url, organizationId, restoreIds),
    async close() {}, // nothing is held between calls
  };
}
