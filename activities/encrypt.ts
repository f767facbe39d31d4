// Stage 6, encrypt: seals a batch's compressed segments into one pack, as soon as all of them are there.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import { freeMemory } from "../src/repository/owned-memory.ts";
import type { Bench } from "./bench.ts";
import type { BatchKey, EncryptedBatch } from "./contract.ts";
import { beatWhile } from "./heartbeat.ts";
import { Stopwatch } from "./stopwatch.ts";

export async function encryptBatch(bench: Bench, key: BatchKey): Promise<EncryptedBatch> {
  const session = bench.session(key);
  const ready = () => {
    const batch = session.batches.get(key.batch);
    return batch === undefined || batch.content.state === "open" ? undefined : batch;
  };
  const batch = await beatWhile(
    () => ({ batch: key.batch }),
    () => session.until(ready, Context.current().cancellationSignal),
  );
  const watch = new Stopwatch();
  const { content } = batch;
  if (content.state === "stored") {
    return { pack: { packName: content.packName, packBytes: content.packBytes }, figures: watch.figures() };
  }
  if (content.state === "compressed") {
    if (content.segments.length === 0) return { pack: null, figures: watch.figures() };
    const pack = watch.measure(() => session.parts.vault.sealPack(content.segments));
    watch.bytesIn = content.segments.reduce((sum, segment) => sum + segment.compressed.length, 0);
    watch.bytesOut = pack.bytes.length;
    batch.content = { state: "sealed", pack };
    for (const { compressed } of content.segments) freeMemory(compressed);
  }
  // Otherwise the answer of an earlier attempt got lost.
  if (batch.content.state !== "sealed") throw new BackupError("Internal", "A batch went back a stage.");
  const { pack } = batch.content;
  return { pack: { packName: pack.name, packBytes: pack.bytes.length }, figures: watch.figures() };
}
