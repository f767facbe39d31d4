// Stage 7, upload: one pack, create-only and checksummed; then its memory is free.
import { Context } from "@temporalio/activity";
import { BackupError } from "../src/domain/errors.ts";
import { freeMemory } from "../src/repository/owned-memory.ts";
import { beatWhile } from "./heartbeat.ts";
import type { Bench } from "./bench.ts";
import type { BatchKey, UploadedBatch } from "./contract.ts";
import { Stopwatch } from "./stopwatch.ts";

export async function uploadBatch(bench: Bench, key: BatchKey): Promise<UploadedBatch> {
  const session = bench.session(key);
  const batch = session.batch(key.batch);
  const watch = new Stopwatch("shared");
  const { content } = batch;
  if (content.state === "stored") {
    return { packName: content.packName, packBytes: content.packBytes, figures: watch.figures() };
  }
  if (content.state !== "sealed")
    throw new BackupError("Internal", `Batch ${key.batch} was to be uploaded before it was sealed.`);
  const { pack } = content;
  const packBytes = pack.bytes.length;
  try {
    await beatWhile(
      () => ({ batch: key.batch, bytes: packBytes }),
      () => session.parts.vault.storePack(pack, Context.current().cancellationSignal),
    );
  } finally {
    watch.stop();
  }
  session.learnPack(pack.name, packBytes, pack.entries);
  batch.content = { state: "stored", packName: pack.name, packBytes };
  freeMemory(pack.bytes);
  batch.reservation.release();
  watch.bytesIn = watch.bytesOut = packBytes;
  return { packName: pack.name, packBytes, figures: watch.figures() };
}
