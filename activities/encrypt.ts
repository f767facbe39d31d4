// Stage 6, encrypt: seals a batch's compressed segments into one pack.
import { BackupError } from "../src/domain/errors.ts";
import type { Bench } from "./bench.ts";
import type { BatchKey, EncryptedBatch } from "./contract.ts";
import { Stopwatch } from "./stopwatch.ts";

export async function encryptBatch(bench: Bench, key: BatchKey): Promise<EncryptedBatch> {
  const session = bench.session(key);
  const batch = session.batch(key.batch);
  const watch = new Stopwatch();
  const { content } = batch;
  if (content.state === "raw")
    throw new BackupError("Internal", `Batch ${key.batch} was to be encrypted before it was compressed.`);
  if (content.state === "stored") {
    return { packName: content.packName, packBytes: content.packBytes, figures: watch.figures() };
  }
  if (content.state === "sealed") {
    // The answer of an earlier attempt got lost.
    return { packName: content.pack.name, packBytes: content.pack.bytes.length, figures: watch.figures() };
  }
  const pack = watch.measure(() => session.parts.vault.sealPack(content.segments));
  watch.bytesIn = content.segments.reduce((sum, segment) => sum + segment.compressed.length, 0);
  watch.bytesOut = pack.bytes.length;
  batch.content = { state: "sealed", pack };
  return { packName: pack.name, packBytes: pack.bytes.length, figures: watch.figures() };
}
