// Stage 6, encrypt: seals a batch's compressed segments into one pack.
import type { StageFigures } from "../src/domain/progress.ts";
import type { Bench } from "./bench.ts";
import type { BatchKey } from "./contract.ts";
import { Stopwatch } from "./stopwatch.ts";

export async function encryptBatch(bench: Bench, key: BatchKey): Promise<StageFigures> {
  const session = bench.session(key);
  const batch = session.batch(key.batch);
  const watch = new Stopwatch();
  const { content } = batch;
  if (content.state !== "compressed") return watch.figures();
  const pack = watch.measure(() => session.parts.vault.sealPack(content.segments));
  watch.bytesIn = content.segments.reduce((sum, segment) => sum + segment.compressed.length, 0);
  watch.bytesOut = pack.bytes.length;
  batch.content = { state: "sealed", pack };
  return watch.figures();
}
