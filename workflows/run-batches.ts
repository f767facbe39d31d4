// Moves an organization through the bench, batch by batch. Collecting is one after the other (one snapshot reader);
// compress, encrypt and upload of earlier batches run meanwhile. `readAhead` collects are asked for at a time, so that
// the reader never waits for a round trip to the server; a small organization asks for one, to save the empty second.
import type { ActivityInterfaceFor } from "@temporalio/workflow";
import type {
  BatchKey,
  BenchActivities,
  CollectedBatch,
  SessionKey,
  SnapshotReady,
  StoredPack,
} from "../activities/contract.ts";
import type { ProgressTracker } from "./backup-progress.ts";

/** Below this estimate everything fits one batch. Half a batch, because the planner's estimates are rough. */
const oneBatchBytes = 16 * 1024 * 1024;

interface Run {
  readonly bench: ActivityInterfaceFor<BenchActivities>;
  readonly key: SessionKey;
  readonly progress: ProgressTracker;
  readonly ready: SnapshotReady;
  readonly uploadedPacks: Map<string, StoredPack>;
  readonly onChange: () => void;
}

export async function runBatches({ bench, key, progress, ready, uploadedPacks, onChange }: Run): Promise<void> {
  const readAhead = ready.estimatedBytes > oneBatchBytes ? 2 : 1;
  const stored: Promise<void>[] = [];
  let failure: { error: unknown } | null = null;

  const store = async (batch: BatchKey): Promise<void> => {
    progress.add("compress", await bench.compressBatch(batch));
    progress.add("encrypt", await bench.encryptBatch(batch));
    const { packName, packBytes, figures } = await bench.uploadBatch(batch);
    uploadedPacks.set(packName, { packName, packBytes });
    progress.add("upload", figures);
    progress.storedBytes += packBytes;
    onChange();
  };

  const asked: { batch: BatchKey; collected: Promise<CollectedBatch> }[] = [];
  let next = 1;
  const ask = () => {
    const batch = { ...key, batch: next++ };
    const collected = bench.collectBatch(batch);
    collected.catch(() => {}); // awaited below, in order; a later one may fail while an earlier is awaited
    asked.push({ batch, collected });
  };

  for (let i = 0; i < readAhead; i++) ask();
  for (let head = asked.shift(); head !== undefined; head = asked.shift()) {
    const result = await head.collected;
    progress.collected(result);
    onChange();
    if (result.newSegments > 0) {
      stored.push(store(head.batch).catch((error: unknown) => void (failure ??= { error })));
    }
    if (failure !== null) break;
    if (!result.last) ask();
  }
  await Promise.all(stored);
  // A closure assigns `failure`; the checker can't see it.
  const failed = failure as { error: unknown } | null;
  if (failed !== null) throw failed.error;
}
