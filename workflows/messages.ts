// Names that a client may use on a running backup.
import { defineQuery, defineSignal } from "@temporalio/workflow";
import type { BackupProgress } from "../src/domain/progress.ts";
import type { SnapshotReady } from "../activities/contract.ts";
import type { StoredStretch } from "./store-batches.ts";

export const progressQuery = defineQuery<BackupProgress>("progress");
/** From a stretch of batches to the backup that it is part of. */
export const batchesStoredSignal = defineSignal<[StoredStretch]>("batchesStored");
/** From the activity that holds the snapshot to its workflow. */
export const snapshotReadySignal = defineSignal<[SnapshotReady]>("snapshotReady");
