// Moves an organization through the bench, batch by batch. Collecting is one after the other (one snapshot reader);
// compress, encrypt and upload of earlier batches run meanwhile. `readAhead` collects are asked for at a time, so that
// the reader never waits for a round trip to the server; a small organization asks for one, to save the empty second.
import { CancellationScope, type ActivityInterfaceFor } from "@temporalio/workflow";
import type { BatchKey, BenchActivities, CollectedBatch, SessionKey, SnapshotReady } from "../activities/contract.ts";
import type { ProgressTracker } from "./backup-progress.ts";
import type { Uploads } from "./uploads.ts";

/** Below this estimate everything fits one batch. Half a batch, because the planner's estimates are rough. */
const oneBatchBytes = 16 * 1024 * 1024;
/**
 * Batches between collect and stored. The bench's memory bounds them too, but batches that shrink to nothing would fill
 * the worker's slots when the store is slow, and a task that waits long for a slot looks like a dead worker.
 */
const maxStoring = 4;

interface Run {
  readonly bench: ActivityInterfaceFor<BenchActivities>;
  readonly key: SessionKey;
  readonly progress: ProgressTracker;
  readonly ready: SnapshotReady;
  readonly uploads: Uploads;
  readonly onChange: () => void;
}

export async function runBatches(run: Run): Promise<void> {
  const { bench, key, progress, ready, onChange } = run;
  const readAhead = ready.estimatedBytes > oneBatchBytes ? 2 : 1;
  const storing = new Set<Promise<void>>();
  const asked: { batch: BatchKey; collected: Promise<CollectedBatch> }[] = [];
  let failure: { error: unknown } | null = null;
  let next = 1;
  const ask = () => {
    const batch = { ...key, batch: next++ };
    const collected = bench.collectBatch(batch);
    collected.catch(() => {}); // awaited below, in order; a later one may fail while an earlier is awaited
    asked.push({ batch, collected });
  };
  const start = (batch: BatchKey) => {
    const stored: Promise<void> = storeBatch(run, batch)
      .catch((error: unknown) => void (failure ??= { error }))
      .finally(() => storing.delete(stored));
    storing.add(stored);
  };

  for (let i = 0; i < readAhead; i++) ask();
  for (let head = asked.shift(); head !== undefined; head = asked.shift()) {
    try {
      const result = await head.collected;
      progress.collected(result);
      if (result.newSegments > 0) start(head.batch);
      while (storing.size >= maxStoring && failure === null) await Promise.race(storing);
      onChange();
      if (!result.last && failure === null) ask();
    } catch (error) {
      failure ??= { error };
    }
    if (failure !== null) break;
  }
  // Nothing may be at work when this ends, failed or not: an upload that lands later would belong to nobody.
  if (failure !== null) CancellationScope.current().cancel();
  else progress.allCollected();
  await Promise.allSettled([...storing, ...asked.map(({ collected }) => collected)]);
  if (failure !== null) throw failure.error;
}

async function storeBatch({ bench, progress, uploads, onChange }: Run, batch: BatchKey): Promise<void> {
  progress.entered("compress");
  progress.add("compress", await bench.compressBatch(batch));
  progress.entered("encrypt");
  const encrypted = await bench.encryptBatch(batch);
  progress.add("encrypt", encrypted.figures);
  uploads.offer(encrypted.packName);
  progress.entered("upload");
  const { figures, ...pack } = await bench.uploadBatch(batch);
  uploads.confirm(pack);
  progress.add("upload", figures);
  progress.storedBytes += pack.packBytes;
  onChange();
}
