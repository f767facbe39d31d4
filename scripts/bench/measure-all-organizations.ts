// P2: every organization, each its own restorable backup, beside dumps of the whole database.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BenchContext } from "./bench-context.ts";
import { interleave, type Measurement } from "./measurement.ts";
import { resticEnvironment, seal } from "./peer-pipes.ts";
import { Product } from "./product.ts";
import { timeShell } from "./shell.ts";

const concurrency = 4;

export async function measureAllOrganizations(context: BenchContext): Promise<Measurement[]> {
  const { size, servers, peers, organizationIds, peerEnvironment, say } = context;
  const folder = join(servers.folder, "all");
  await mkdir(folder, { recursive: true });
  const [ours, memory, dump, restic]: number[][] = [[], [], [], []];

  await interleave(size.runs, [
    async () => {
      const product = await Product.start({ ...context, store: "disk" });
      try {
        const { seconds } = await product.backUpAll(organizationIds, concurrency);
        ours?.push(seconds);
        memory?.push(await product.peakMemory());
        say(`  ours: ${seconds.toFixed(2)} s`);
      } finally {
        await product.stop();
        await rm(product.bucket, { recursive: true, force: true });
      }
    },
    async () => {
      if (!peers.has("bash", "pg_dump", "zstd", "openssl")) return;
      const line = `pg_dump -n public | zstd -q -3 | ${seal} > ${join(folder, "dump.zst.enc")}`;
      dump?.push(await timeShell(line, peerEnvironment));
      say(`  pg_dump: ${dump?.at(-1)?.toFixed(2)} s`);
    },
    async () => {
      if (!peers.has("bash", "pg_dump", "restic")) return;
      const repository = join(folder, "restic");
      const env = { ...peerEnvironment, ...resticEnvironment(repository) };
      await timeShell("restic -q init", env);
      restic?.push(await timeShell("pg_dump -n public | restic -q backup --stdin --stdin-filename dump", env));
      say(`  restic: ${restic?.at(-1)?.toFixed(2)} s`);
      await rm(repository, { recursive: true, force: true });
    },
  ]);
  const row = (name: string, figures: readonly number[] | undefined, atMost: number): Measurement[] =>
    figures === undefined || figures.length === 0
      ? []
      : [
          {
            goal: "P2",
            work: `all ${organizationIds.length} organizations, each a backup of its own`,
            unit: "s",
            ours: ours ?? [],
            peer: { name, figures },
            limit: { atMost },
          },
        ];
  return [
    ...row("pg_dump, zstd, openssl", dump, 1),
    ...row("pg_dump, restic", restic, 0.6),
    {
      goal: "P9",
      work: `worker's peak memory, ${organizationIds.length} organizations`,
      unit: "MB",
      ours: memory ?? [],
      peer: null,
      limit: { atMost: 400 },
    },
  ];
}
