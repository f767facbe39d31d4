// P9 at its far end: one organization of about 10 GB of COPY text, backed up once to disk. Once, not interleaved: what is
// asked is whether memory grows with size, and no peer holds more than a pipe's buffers.
import { megabytes, type BenchContext } from "./bench-context.ts";
import { makeWeddings } from "./bench-data.ts";
import { fillBeforeIndexes } from "./fill-before-indexes.ts";
import type { Measurement } from "./measurement.ts";
import { Product } from "./product.ts";

export async function measureHuge(context: BenchContext): Promise<Measurement[]> {
  const { size, servers, say } = context;
  const sourceUrl = await servers.createDatabase("huge");
  say("  making the organization");
  const weddings = { ...size.weddings, organizations: 1, bigFactor: size.hugeFactor };
  const { organizationIds, copyBytes } = await makeWeddings(sourceUrl, weddings, null, fillBeforeIndexes);
  const [huge = ""] = organizationIds;
  const gigabytes = (copyBytes / 1e9).toFixed(1);
  const product = await Product.start({ ...context, sourceUrl, store: "disk" });
  try {
    const first = await product.backUp(huge);
    const afterFirst = await product.peakMemory();
    say(`  first: ${first.seconds.toFixed(1)} s, ${afterFirst.toFixed(0)} MB`);
    const unchanged = await product.backUp(huge);
    say(`  unchanged: ${unchanged.seconds.toFixed(1)} s`);
    const line = (goal: string, work: string, unit: Measurement["unit"], figure: number, limit: Measurement["limit"]) =>
      ({ goal, work, unit, ours: [figure], peer: null, limit }) satisfies Measurement;
    return [
      line("P9", `worker's peak memory, one organization of ${gigabytes} GB`, "MB", afterFirst, { atMost: 400 }),
      line("P9", "… its first backup", "MB/s", megabytes(copyBytes) / first.sealedSeconds, null),
      line("P9", "… unchanged", "s", unchanged.sealedSeconds, null),
    ];
  } finally {
    await product.stop();
    await servers.dropDatabase(sourceUrl); // tens of gigabytes
  }
}
