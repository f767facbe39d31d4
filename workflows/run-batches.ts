// Moves an organization through the bench, batch by batch. Collecting is one after the other (one snapshot reader);
// compress and encrypt are asked for together with it, and wait on the bench for their turn: no stage waits for a round
// trip to the server. Uploads are asked for when the pack's name is known, so that whatever lands can be removed again.
// `readAhead` batches are asked for at a time, for the same reason; a small organization asks for one, to save the empty
// second, and for two when that was not all. Where there is a backup to build on, most likely nothing has to be stored: then
// only collect is asked for, until it finds something.
import { CancellationScope, patched, type ActivityInterfaceFor } from "@temporalio/workflow";
import type {
  BatchKey,
  BenchActivities,
  CollectedBatch,
  EncryptedBatch,
  SessionKey,
  SnapshotReady,
} from "../activities/contract.ts";
import type { StageFigures } from "../src/domain/progress.ts";
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
  /** Counts from 1. */
  readonly firstBatch: number;
  /** Whether this workflow's history still has room for another batch. */
  readonly hasRoom: () => boolean;
}

/** Both wait on the bench for the stage before them. */
interface SealingBatch {
  readonly compressed: Promise<StageFigures>;
  readonly encrypted: Promise<EncryptedBatch>;
}

interface AskedBatch {
  readonly batch: BatchKey;
  readonly collected: Promise<CollectedBatch>;
  /** Null while only collect was asked for. */
  readonly sealed: SealingBatch | null;
}

/** @returns the number of the next batch, where another workflow must go on; null when everything is stored. */
export async function runBatches(run: Run): Promise<number | null> {
  const { bench, key, progress, ready, onChange } = run;
  let readAhead = ready.estimatedBytes > oneBatchBytes ? 2 : 1;
  const storing = new Set<Promise<void>>();
  const asked: AskedBatch[] = [];
  const atWork = new Set<Promise<unknown>>();
  const follow = <T>(stage: Promise<T>): Promise<T> => {
    atWork.add(stage);
    const over = () => void atWork.delete(stage);
    stage.then(over, over); // awaited later, in order; a later one may fail while an earlier is awaited
    return stage;
  };
  const seal = (batch: BatchKey): SealingBatch => ({
    compressed: follow(bench.compressBatch(batch)),
    encrypted: follow(bench.encryptBatch(batch)),
  });
  let mostlyNew = !ready.incremental;
  let failure: { error: unknown } | null = null;
  let next = run.firstBatch;
  let finished = false;
  const ask = () => {
    const batch = { ...key, batch: next++ };
    asked.push({ batch, collected: follow(bench.collectBatch(batch)), sealed: mostlyNew ? seal(batch) : null });
  };
  const start = ({ batch, sealed }: AskedBatch) => {
    const stored: Promise<void> = storeBatch(run, batch, sealed ?? seal(batch))
      .catch((error: unknown) => void (failure ??= { error }))
      .finally(() => storing.delete(stored));
    storing.add(stored);
  };

  for (let i = 0; i < readAhead; i++) ask();
  for (let head = asked.shift(); head !== undefined; head = asked.shift()) {
    try {
      const result = await head.collected;
      progress.collected(result);
      if (result.newSegments > 0) {
        mostlyNew = true;
        start(head);
      }
      while (storing.size >= maxStoring && failure === null) await Promise.race(storing);
      onChange();
      if (result.last) finished = true;
      else if (failure === null && run.hasRoom()) {
        ask();
        // The estimate knows nothing of files: one batch was not all, and the next ones are many.
        if (readAhead === 1 && patched("read-files-ahead")) {
          readAhead = 2;
          ask();
        }
      }
    } catch (error) {
      failure ??= { error };
    }
    if (failure !== null) break;
  }
  // Nothing may be at work when this ends, failed or not: an upload that lands later would belong to nobody.
  if (failure !== null) CancellationScope.current().cancel();
  else if (finished) progress.allCollected();
  await Promise.allSettled([...storing, ...atWork]);
  if (failure !== null) throw failure.error;
  return finished ? null : next;
}

async function storeBatch(
  { bench, progress, uploads, onChange }: Run,
  batch: BatchKey,
  { compressed, encrypted }: SealingBatch,
): Promise<void> {
  progress.entered("compress");
  progress.add("compress", await compressed);
  progress.entered("encrypt");
  const { pack, figures } = await encrypted;
  progress.add("encrypt", figures);
  if (pack === null) return;
  uploads.offer(pack.packName);
  progress.entered("upload");
  const uploaded = await bench.uploadBatch(batch);
  uploads.confirm(pack);
  progress.add("upload", uploaded.figures);
  progress.storedBytes += pack.packBytes;
  onChange();
}
