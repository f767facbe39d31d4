// Erases everything that is kept of an organization, for ever.
//
//   lease → inspect (legal hold, locks of the store) → order → tombstone → keys → count → objects → undo logs → schedules
//   → control tables → certificate
//
// Up to `order` it may be refused or cancelled, and nothing has changed. From there on there is no way back, so it can only
// go on: whatever fails is tried for a day, then the order stands, and ordering it again goes on from where it stopped.
// The keys go first: a crash behind that step leaves bytes that nobody can read.
import { CancellationScope, proxyActivities, proxyLocalActivities, setCurrentDetails } from "@temporalio/workflow";
import type { EraseActivities, EraseControlActivities, EraseStep } from "../activities/erase-contract.ts";
import { taskQueues } from "../src/domain/backup-request.ts";
import { countAmounts, type EraseOrder, type ErasureOutcome } from "../src/domain/erase-run.ts";
import { nonRetryableCodes } from "../src/domain/errors.ts";
import { nameFailure } from "./failures.ts";

const nonRetryableErrorTypes = [...nonRetryableCodes];
const retry = {
  initialInterval: "500ms",
  backoffCoefficient: 2,
  maximumInterval: "1m",
  nonRetryableErrorTypes,
} as const;
const local = { startToCloseTimeout: "20s", retry } as const;

const control = proxyLocalActivities<Pick<EraseControlActivities, "openErasure" | "orderErasure">>({
  ...local,
  retry: { ...retry, maximumAttempts: 10 },
});
const closing = proxyLocalActivities<Pick<EraseControlActivities, "closeErasure" | "releaseErasure">>({
  ...local,
  scheduleToCloseTimeout: "24h",
});
const before = proxyActivities<Pick<EraseActivities, "inspectErasure">>({
  taskQueue: taskQueues.restores,
  startToCloseTimeout: "2h",
  heartbeatTimeout: "30s",
  retry: { ...retry, maximumAttempts: 8 },
});
const behind = proxyActivities<Omit<EraseActivities, "inspectErasure">>({
  taskQueue: taskQueues.restores,
  startToCloseTimeout: "12h",
  scheduleToCloseTimeout: "36h",
  heartbeatTimeout: "30s",
  retry,
});

export async function eraseOrganization(order: EraseOrder): Promise<ErasureOutcome> {
  setCurrentDetails(`erasing the backups of ${order.organizationId}`);
  try {
    return await erase(order);
  } catch (error) {
    const failure = nameFailure(error, "The erasure was cancelled before anything was erased.");
    setCurrentDetails(`**${failure.code}**: ${failure.message}`);
    await CancellationScope.nonCancellable(async () => await closing.closeErasure({ ...order, ...failure }));
    throw error;
  }
}

async function erase(order: EraseOrder): Promise<ErasureOutcome> {
  const { fencingToken } = await control.openErasure(order);
  const step: EraseStep = { ...order, fencingToken };
  const { done } = await before.inspectErasure(step);
  if (done !== null) {
    await closing.releaseErasure(order);
    setCurrentDetails(render(done));
    return done;
  }
  await control.orderErasure(step);
  return await CancellationScope.nonCancellable(async () => {
    setCurrentDetails(`erasing the backups of ${order.organizationId}: ordered, can't be taken back`);
    await behind.raiseTombstone(step);
    const { keys } = await behind.destroyKeys(step);
    setCurrentDetails(
      `erasing the backups of ${order.organizationId}: ${keys} keys destroyed, nothing can be read any more`,
    );
    await behind.countStored(step);
    await behind.deleteStored(step);
    await behind.forgetUndo(step);
    await behind.endSchedules(step);
    await behind.forgetRows(step);
    const outcome = await behind.certifyErasure({ ...step, finishedAt: new Date().toISOString() });
    setCurrentDetails(render(outcome));
    return outcome;
  });
}

function render({ status, removed, remaining }: ErasureOutcome): string {
  return [
    `**${status}**: ${countAmounts(removed)} objects, ${removed.bytes} bytes`,
    "",
    ...remaining.map(({ what, why }) => `- left: ${what}: ${why}`),
  ].join("\n");
}
