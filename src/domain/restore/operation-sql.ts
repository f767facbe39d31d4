// What becomes of a row that differs, as SQL expressions over d, the difference, and c, the conflicts and their decisions:
// by the strategy, by what people decided, and by the default for what they did not.
import type { ConflictStrategy, Decision, LiveOnly } from "../restore-request.ts";
import { quoteLiteral } from "../sql-quoting.ts";
import { isAsInBase, wasGoneInBase } from "./merge-sql.ts";
import type { RestoreTable } from "./restore-table.ts";
import type { Staging } from "./staging-names.ts";

export interface RowIntent {
  readonly strategy: ConflictStrategy;
  readonly liveOnly: LiveOnly;
  /** Null = what nobody decided is asked again. */
  readonly defaultDecision: Decision | null;
}

/** NULL = nothing. `baseNames`: the columns that a later backup holds; null = there is none. */
export function operationOf(
  { strategy, liveOnly, defaultDecision }: RowIntent,
  staging: Staging,
  table: RestoreTable,
  baseNames: readonly string[] | null,
): string {
  const base = strategy === "merge" ? baseNames : null;
  const changed = {
    overwrite: "'update'",
    skip: "NULL",
    merge: "'update'",
    prompt: `CASE WHEN ${decisionOf(defaultDecision)} <> 'keep live' THEN 'update' END`,
  }[strategy];
  const missing =
    strategy === "prompt"
      ? "CASE WHEN c.decision IS DISTINCT FROM 'keep live' THEN 'insert' END"
      : base === null
        ? "'insert'"
        : `CASE WHEN ${wasGoneInBase(staging, table)} THEN 'insert' END`;
  const removed = base === null ? "'delete'" : `CASE WHEN ${isAsInBase(staging, table, base)} THEN 'delete' END`;
  const asked = `CASE WHEN ${decisionOf(defaultDecision)} = 'take backup' THEN 'delete' END`;
  const liveOnlyRows = liveOnly === "keep" ? "NULL" : strategy === "prompt" ? asked : removed;
  return `CASE d.kind WHEN 'missing' THEN ${missing} WHEN 'changed' THEN ${changed} WHEN 'live only' THEN ${liveOnlyRows} END`;
}

export const mayMerge = ({ strategy }: RowIntent): boolean => strategy === "merge" || strategy === "prompt";

/** Whether the row's update is merged. */
export function isMerged({ strategy, defaultDecision }: RowIntent): string {
  if (strategy === "merge") return "d.kind = 'changed'";
  return strategy === "prompt" ? `d.kind = 'changed' AND ${decisionOf(defaultDecision)} = 'merge'` : "false";
}

export const decisionOf = (fallback: Decision | null): string =>
  fallback === null ? "c.decision" : `coalesce(c.decision, ${quoteLiteral(fallback)})`;
