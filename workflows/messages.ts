// Names that a client may use on a running backup.
import { defineQuery, defineSignal } from "@temporalio/workflow";
import type { BackupProgress } from "../src/domain/progress.ts";
import type { SnapshotReady } from "../activities/contract.ts";
import type { CollectedTotals } from "./backup-progress.ts";
import type { UploadedPacks } from "./uploads.ts";

/** What one stretch did; also of one that failed, so that its uploads can be removed. */
export interface StoredStretch {
  readonly attempt: number;
  readonly totals: CollectedTotals;
  readonly uploads: UploadedPacks;
}

export const progressQuery = defineQuery<BackupProgress>("progress");
/** From a stretch of batches to the backup that it is part of. */
export const batchesStoredSignal = defineSignal<[StoredStretch]>("batchesStored");
/** From the activity that holds the snapshot to its workflow. */
export const snapshotReadySignal = defineSignal<[SnapshotReady]>("snapshotReady");
