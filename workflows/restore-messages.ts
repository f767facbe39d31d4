// Names that a client may use on a running restore.
import { defineQuery, defineUpdate } from "@temporalio/workflow";
import type { Decision } from "../src/domain/restore-request.ts";
import type { RestoreProgress } from "../src/domain/restore-run.ts";
import type { NumberedDecision } from "../activities/restore-contract.ts";

export const restoreProgressQuery = defineQuery<RestoreProgress>("restoreProgress");
/** Decisions on single conflicts, by their numbers. */
export const decideUpdate = defineUpdate<{ undecided: number }, [{ decisions: readonly NumberedDecision[] }]>("decide");
/** One decision for all conflicts, of one table or of all, that have none yet. */
export const decideRestUpdate = defineUpdate<{ undecided: number }, [{ table: string | null; decision: Decision }]>(
  "decideRest",
);
export const approveUpdate = defineUpdate<{ approved: true }, [{ by: string }]>("approve");
export const finishDryRunUpdate = defineUpdate("finishDryRun");
