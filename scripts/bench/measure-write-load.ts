// P12: what users of the database feel while the big organization is backed up, by us and by the pipe.
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BenchContext } from "./bench-context.ts";
import { interleave, type Measurement } from "./measurement.ts";
import { planCopies } from "./organization-copies.ts";
import { oneSession } from "./peer-pipes.ts";
import { Product } from "./product.ts";
import { timeShell } from "./shell.ts";
import { WriteLoad } from "./write-load.ts";

export async function measureWriteLoad(context: BenchContext): Promise<Measurement[]> {
  const { size, servers, peers, sourceUrl, organizationIds, peerEnvironment, say } = context;
  const [big = "", ...others] = organizationIds;
  const scriptPath = join(servers.folder, "write-load.sql");
  const sealedPath = join(servers.folder, "write-load.zst.enc");
  await writeFile(scriptPath, (await planCopies(sourceUrl, big)).script);
  const [during, without, pipe]: [number[], number[], number[]] = [[], [], []];
  await interleave(size.runs, [
    async () => {
      const product = await Product.start({ ...context, store: "disk" });
      const load = await WriteLoad.start(sourceUrl, big);
      const p99During = async (work: () => Promise<unknown>): Promise<number> => {
        const fromMs = performance.now();
        await work();
        return load.p99(fromMs, performance.now());
      };
      try {
        await product.backUpAll(others.slice(0, 2), 1);
        without.push(
          await p99During(() => new Promise((resolve) => setTimeout(resolve, size.writeLoadSeconds * 1000))),
        );
        during.push(await p99During(() => product.backUp(big)));
        if (peers.has("bash", "psql", "zstd", "openssl"))
          pipe.push(await p99During(() => timeShell(oneSession(scriptPath, sealedPath), peerEnvironment)));
        const [quiet, ours, theirs] = [without, during, pipe].map((figures) => figures.at(-1)?.toFixed(2));
        say(`  p99: ${quiet} ms without, ${ours} ms during a backup, ${theirs ?? "?"} ms during the pipe`);
      } finally {
        await load.stop();
        await product.stop();
        await rm(product.bucket, { recursive: true, force: true });
      }
    },
  ]);
  const shared = { goal: "P12", unit: "ms" as const, ours: during };
  return [
    {
      ...shared,
      work: "p99 of short writes while the big organization is read",
      peer: { name: "without a backup", figures: without },
      limit: { atMost: 1.5 },
    },
    {
      ...shared,
      work: "… beside the same pipe",
      peer: { name: "psql COPY | zstd -3 | openssl", figures: pipe },
      limit: null,
    },
  ];
}
