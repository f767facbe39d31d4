// P12: what users of the database feel while the big organization is backed up.
import { rm } from "node:fs/promises";
import type { BenchContext } from "./bench-context.ts";
import { interleave, type Measurement } from "./measurement.ts";
import { Product } from "./product.ts";
import { WriteLoad } from "./write-load.ts";

export async function measureWriteLoad(context: BenchContext): Promise<Measurement[]> {
  const { size, sourceUrl, organizationIds, say } = context;
  const [big = "", ...others] = organizationIds;
  const [during, without]: number[][] = [[], []];
  await interleave(size.runs, [
    async () => {
      const product = await Product.start({ ...context, store: "disk" });
      const load = await WriteLoad.start(sourceUrl, big);
      try {
        await product.backUpAll(others.slice(0, 2), 1);
        const quietFromMs = performance.now();
        await new Promise((resolve) => setTimeout(resolve, size.writeLoadSeconds * 1000));
        const quietToMs = performance.now();
        await product.backUp(big);
        without?.push(load.p99(quietFromMs, quietToMs));
        during?.push(load.p99(quietToMs, performance.now()));
        say(`  p99: ${without?.at(-1)?.toFixed(2)} ms without, ${during?.at(-1)?.toFixed(2)} ms during a backup`);
      } finally {
        await load.stop();
        await product.stop();
        await rm(product.bucket, { recursive: true, force: true });
      }
    },
  ]);
  const peer = { name: "without a backup", figures: without ?? [] };
  const work = "p99 of short writes while the big organization is read";
  return [{ goal: "P12", work, unit: "ms", ours: during ?? [], peer, limit: { atMost: 1.5 } }];
}
