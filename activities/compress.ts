// Stage 5, compress: only segments that are not stored yet come here. One-shot zstd on about 1 MiB at a time, each as soon
// as it is collected; between segments the thread is given back, so that the reader keeps up.
import { setImmediate as yieldTurn } from "node:timers/promises";
import { Context } from "@temporalio/activity";
import type { StageFigures } from "../src/domain/progress.ts";
import { compressSegment } from "../src/repository/compression.ts";
import type { Batch, RawBatchSegment } from "./batch.ts";
import type { Bench } from "./bench.ts";
import type { BatchKey } from "./contract.ts";
import { beatWhile } from "./heartbeat.ts";
import { Stopwatch } from "./stopwatch.ts";

export async function compressBatch(bench: Bench, key: BatchKey): Promise<StageFigures> {
  const session = bench.session(key);
  const signal = Context.current().cancellationSignal;
  const watch = new Stopwatch();
  session.compressing.add(key.batch);
  try {
    await beatWhile(
      () => ({ batch: key.batch, bytes: watch.bytesIn }),
      async () => {
        for (;;) {
          // Looked up anew each time: a collect that failed and comes again begins another batch under this number.
          const { batch, segment } = await session.until(() => nextToCompress(session.batches.get(key.batch)), signal);
          if (segment === null) return;
          const { id, kind, raw, rows } = segment;
          const compressed = watch.measure(() => compressSegment(raw));
          batch.replaceFirst({ id, kind, rows, rawBytes: raw.length, compressed });
          watch.bytesIn += raw.length;
          watch.bytesOut += compressed.length;
          session.wake();
          await yieldTurn();
        }
      },
    );
  } finally {
    session.compressing.delete(key.batch);
    session.wake(); // a collect that waits for this one must wait no longer
  }
  return watch.figures();
}

/** Undefined while there is nothing to do; a segment of null when there is nothing more. */
function nextToCompress(
  batch: Batch | undefined,
): { readonly batch: Batch; readonly segment: RawBatchSegment | null } | undefined {
  if (batch === undefined) return undefined;
  const { content } = batch;
  if (content.state !== "open") return { batch, segment: null };
  const [segment] = content.raw;
  if (segment !== undefined) return { batch, segment };
  if (batch.collected === null) return undefined;
  batch.content = { state: "compressed", segments: content.compressed };
  return { batch, segment: null };
}
