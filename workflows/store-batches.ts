// A stretch of an organization's batches, as a child of its backup. One workflow's history holds some 50,000 events, and a
// batch takes about twenty: an organization with a few dozen gigabytes of photos needs more. The snapshot and the bench
// stay where they are; only who asks for the next batch changes.
import { CancellationScope, getExternalWorkflowHandle, setCurrentDetails, workflowInfo } from "@temporalio/workflow";
import type { SessionKey, SnapshotReady } from "../activities/contract.ts";
import { onBench } from "./activity-options.ts";
import { ProgressTracker } from "./backup-progress.ts";
import { batchesStoredSignal } from "./messages.ts";
import { runBatches } from "./run-batches.ts";
import { Uploads } from "./uploads.ts";

export interface BatchStretch {
  readonly key: SessionKey;
  readonly ready: SnapshotReady;
  readonly firstBatch: number;
}

/** Replaying a stretch stays quick, and a backup of any size is a few hundred of them at most. */
const maxEvents = 4_000;

export const hasRoom = (): boolean => workflowInfo().historyLength < maxEvents;

/** @returns the number of the next batch; null when everything is stored. */
export async function storeBatches({ key, ready, firstBatch }: BatchStretch): Promise<number | null> {
  const { parent } = workflowInfo();
  if (parent === undefined) throw new Error("storeBatches runs as the child of a backup");
  const progress = new ProgressTracker(Date.now());
  progress.snapshot = ready;
  const uploads = new Uploads();
  const onChange = (): void =>
    setCurrentDetails(`Batches from ${firstBatch} on: ${progress.rows} rows, ${progress.rawBytes} bytes read`);
  try {
    return await runBatches({
      bench: onBench(ready.benchQueue),
      key,
      progress,
      ready,
      uploads,
      onChange,
      firstBatch,
      hasRoom,
    });
  } finally {
    // Before this ends in any way: the backup removes what it knows of.
    await CancellationScope.nonCancellable(() =>
      getExternalWorkflowHandle(parent.workflowId, parent.runId).signal(batchesStoredSignal, {
        attempt: key.attempt,
        totals: progress.totals(),
        uploads: uploads.listed(),
      }),
    );
  }
}
