// Stage 5, compress: only segments that are not stored yet come here. One-shot zstd on about 1 MiB at a time; between
// segments the thread is given back, so that the reader of the next batch keeps up.
import { setImmediate as yieldTurn } from "node:timers/promises";
import { Context } from "@temporalio/activity";
import type { StageFigures } from "../src/domain/progress.ts";
import { compressSegment } from "../src/repository/compression.ts";
import type { CompressedSegment } from "../src/repository/vault.ts";
import { beatWhile } from "./heartbeat.ts";
import type { Bench } from "./bench.ts";
import type { BatchKey } from "./contract.ts";
import { Stopwatch } from "./stopwatch.ts";

export async function compressBatch(bench: Bench, key: BatchKey): Promise<StageFigures> {
  const batch = bench.session(key).batch(key.batch);
  const watch = new Stopwatch();
  if (batch.content.state !== "raw") return watch.figures();
  const { segments } = batch.content;
  const compressed: CompressedSegment[] = [];
  await beatWhile(
    () => ({ batch: key.batch, bytes: watch.bytesIn }),
    async () => {
      for (const { id, kind, raw, rows } of segments) {
        Context.current().cancellationSignal.throwIfAborted();
        const bytes = watch.measure(() => compressSegment(raw));
        compressed.push({ id, kind, rows, rawBytes: raw.length, compressed: bytes });
        watch.bytesIn += raw.length;
        watch.bytesOut += bytes.length;
        await yieldTurn();
      }
    },
  );
  batch.content = { state: "compressed", segments: compressed };
  batch.reservation.shrinkTo(watch.bytesOut);
  return watch.figures();
}
