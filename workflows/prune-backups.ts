// Lets go of an organization's backups that no rule keeps, and of what only they needed. The workflow id is fixed
// (prune/<organization>), so at most one runs at a time; the prune's id is the run's id.
//
//   authorize → release (one record in the store: from here they are not listed) → sweep → report
//
// It makes way for backups and restores, which take its lease: then it ends, and the next run goes on where it stopped.
import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  workflowInfo,
} from "@temporalio/workflow";
import type { PruneActivities, PruneControlActivities, PruneStep } from "../activities/prune-contract.ts";
import { nonRetryableCodes } from "../src/domain/errors.ts";
import type { PruneOrder, PruneOutcome } from "../src/domain/prune-run.ts";
import { nameFailure } from "./failures.ts";

const nonRetryableErrorTypes = [...nonRetryableCodes];
const control = proxyLocalActivities<PruneControlActivities>({
  startToCloseTimeout: "20s",
  scheduleToCloseTimeout: "1h",
  retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "30s", nonRetryableErrorTypes },
});
const activities = proxyActivities<PruneActivities>({
  startToCloseTimeout: "2h",
  heartbeatTimeout: "30s",
  retry: {
    initialInterval: "500ms",
    backoffCoefficient: 2,
    maximumInterval: "1m",
    maximumAttempts: 8,
    nonRetryableErrorTypes,
  },
});

const nothingSwept = { removedManifests: 0, removedPacks: 0, removedBytes: 0, quarantinedPacks: 0, nextDueAt: null };

export async function pruneBackups(order: PruneOrder): Promise<PruneOutcome> {
  const { runId: pruneId, workflowId } = workflowInfo();
  const { organizationId, requestedBy } = order;
  const startedMs = Date.now();
  setCurrentDetails(`retention of ${organizationId}, asked for by ${requestedBy}`);
  try {
    const { fencingToken } = await control.openPrune({ pruneId, organizationId, workflowId, requestedBy });
    const step: PruneStep = { pruneId, organizationId, fencingToken };
    const released = await activities.releaseBackups({ ...step, order });
    const swept = released.legalHold ? nothingSwept : await activities.sweepStore({ ...step, order });
    await control.reportPrune({ ...step, released, swept });
    const outcome = { ...released, ...swept, pruneId, organizationId, durationMs: Date.now() - startedMs };
    setCurrentDetails(renderOutcome(outcome));
    return outcome;
  } catch (error) {
    const { code, message } = nameFailure(error, "The prune was cancelled; the next one goes on where it stopped.");
    await CancellationScope.nonCancellable(() => control.closeFailedPrune({ pruneId, organizationId, code, message }));
    setCurrentDetails(`**${code}**: ${message}`);
    if (isCancellation(error)) throw error;
    throw ApplicationFailure.create({
      type: code,
      message,
      nonRetryable: true,
      cause: error instanceof Error ? error : undefined,
    });
  }
}

function renderOutcome(outcome: PruneOutcome): string {
  if (outcome.legalHold) return "**legal hold**: nothing is let go";
  return [
    `**${outcome.released.length} backups let go**, ${outcome.kept} kept`,
    "",
    `- packs removed: ${outcome.removedPacks} (${outcome.removedBytes} bytes)`,
    `- packs in quarantine: ${outcome.quarantinedPacks}${outcome.nextDueAt === null ? "" : `, the next until ${outcome.nextDueAt}`}`,
  ].join("\n");
}
