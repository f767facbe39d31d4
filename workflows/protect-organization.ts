// One attempt of a backup: snapshot to sealed manifest. It ends in a manifest or in a failure, and leaves nothing running.
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  executeChild,
  isCancellation,
  workflowInfo,
} from "@temporalio/workflow";
import type { BackupRequest } from "../src/domain/backup-request.ts";
import type { SealedBackup, SessionKey, SnapshotReady } from "../activities/contract.ts";
import { onBench, snapshots } from "./activity-options.ts";
import type { ProgressTracker } from "./backup-progress.ts";
import { timedOut } from "./failures.ts";
import { runBatches } from "./run-batches.ts";
import { hasRoom, storeBatches, type BatchStretch } from "./store-batches.ts";
import type { Uploads } from "./uploads.ts";

/** What a run keeps over its attempts. */
export interface BackupRun {
  readonly backupId: string;
  readonly request: BackupRequest;
  readonly progress: ProgressTracker;
  readonly uploads: Uploads;
  readonly show: () => void;
  attempt: number;
  fencingToken: number | null;
  /** Of this attempt; null until the holder has signalled. */
  ready: SnapshotReady | null;
  /**
   * Whether the manifest may be there. "refused": the activity has ended, so looking settles it. "unknown": it may still be
   * at work on a worker that can't be reached, and its manifest may appear later.
   */
  sealing: "not asked" | "refused" | "unknown";
}

export const keyOf = ({ backupId, request, attempt }: BackupRun): SessionKey => ({
  backupId,
  organizationId: request.organizationId,
  attempt,
});

export async function protectOrganization(run: BackupRun): Promise<SealedBackup> {
  const { request, progress, uploads, show } = run;
  const key = keyOf(run);
  run.ready = null;
  progress.stage = "plan";
  show();
  let sealed: SealedBackup | undefined;
  await CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    let held = true;
    const hold = snapshots
      .holdSnapshot({ key, request, uploadedPacks: uploads.confirmed })
      .finally(() => (held = false));
    const work = async (): Promise<void> => {
      await condition(() => run.ready !== null || !held);
      const { ready } = run;
      if (ready === null) return; // `hold` carries the reason
      progress.begin(ready);
      show();
      const bench = onBench(ready.benchQueue);
      let next = await runBatches({ bench, key, progress, ready, uploads, onChange: show, firstBatch: 1, hasRoom });
      while (next !== null) next = await storeStretch({ key, ready, firstBatch: next });
      progress.allCollected();
      progress.stage = "seal";
      show();
      sealed = await bench.sealBackup({ key, fencingToken: run.fencingToken as number }).catch((error: unknown) => {
        if (timedOut(error)) run.sealing = "unknown";
        else if (run.sealing === "not asked") run.sealing = "refused";
        throw error;
      });
    };
    // Whichever fails first ends the other; both are awaited, so that nothing is left running or unhandled.
    const results = await Promise.allSettled([
      work().catch((error: unknown) => {
        scope.cancel();
        throw error;
      }),
      hold.catch((error: unknown) => {
        // Losing the hold after the seal loses nothing.
        if (sealed === undefined && !isCancellation(error)) scope.cancel();
        if (sealed === undefined) throw error;
      }),
    ]);
    if (sealed !== undefined) return;
    const failures = results.filter((result) => result.status === "rejected").map((result) => result.reason as unknown);
    throw (
      failures.find((failure) => !isCancellation(failure)) ??
      failures[0] ??
      ApplicationFailure.nonRetryable("the holder ended early", "SnapshotLost")
    );
  });
  if (sealed === undefined) throw ApplicationFailure.nonRetryable("the backup was not sealed", "Internal");
  progress.add("seal", sealed.figures);
  return sealed;
}

/** A large organization's batches go on in children of the run, each with a history of its own. */
async function storeStretch(stretch: BatchStretch): Promise<number | null> {
  const { workflowId } = workflowInfo();
  return await executeChild(storeBatches, {
    workflowId: `${workflowId}/batches/${stretch.key.backupId}-${stretch.key.attempt}-${stretch.firstBatch}`,
    args: [stretch],
    parentClosePolicy: "REQUEST_CANCEL",
    staticSummary: `batches from ${stretch.firstBatch} on`,
  });
}
