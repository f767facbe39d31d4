// P6, P7: the big organization back out of its backup, beside psql's COPY FROM of the same rows into tables with indexes
// and foreign keys. Ours is asked as in production: the command that recovers, and restores through Temporal.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createSampleSchema } from "../../src/samples/generate.ts";
import type { RecordSelection } from "../../src/domain/restore-request.ts";
import type { RestoreOrder, RestoreOutcome } from "../../src/domain/restore-run.ts";
import { projectRoot } from "../run-step.ts";
import { nodeFlags } from "../start-node.mjs";
import { megabytes, type BenchContext } from "./bench-context.ts";
import { changeOnePercent } from "./bench-data.ts";
import { Figures } from "./figures.ts";
import { interleave, type Measurement } from "./measurement.ts";
import { planCopies } from "./organization-copies.ts";
import { Product } from "./product.ts";
import { queryOnce } from "./query-once.ts";
import { timeShell } from "./shell.ts";

const run = promisify(execFile);

export async function measureRestore(context: BenchContext): Promise<Measurement[]> {
  const { size, servers, peers, sourceUrl, organizationIds, peerEnvironment, say } = context;
  const [big = "", small = ""] = organizationIds;
  const folder = join(servers.folder, "restore");
  await mkdir(folder, { recursive: true });
  const copies = await planCopies(sourceUrl, big);
  const loadPath = join(folder, "load.sql");
  await writeFile(loadPath, copies.load(folder));
  if (peers.has("bash", "psql")) {
    await writeFile(join(folder, "unload.sql"), copies.unload(folder));
    await timeShell(`psql -qXf ${join(folder, "unload.sql")}`, peerEnvironment);
  }
  const figures = new Figures(say);
  let databases = 0;
  const makeDatabase = async (withSchema: boolean): Promise<string> => {
    const url = await servers.createDatabase(`restored_${(databases += 1)}`);
    if (withSchema) await createSampleSchema(url);
    return url;
  };

  const product = await Product.start({ ...context, store: "disk" });
  try {
    const { outcome } = await product.backUp(big);
    await product.backUp(small);
    const choice = { by: "sequence", sequence: outcome.sequence } as const;
    const restore = async (name: string, order: Partial<RestoreOrder>, secrets?: RestoreSecrets) => {
      const readBefore = await product.bytesRead();
      const timed = await product.restore({ organizationId: big, choice, ...order }, secrets);
      figures.note(name, timed.seconds);
      return { ...timed, bytesRead: (await product.bytesRead()) - readBefore };
    };
    // A worker that has run for a while.
    await product.restore({ organizationId: small });

    await interleave(size.runs, [
      async () => {
        if (!peers.has("bash", "psql")) return;
        const url = await makeDatabase(true);
        const line = `psql -qX -v ON_ERROR_STOP=1 -d "$TARGET" -f ${loadPath}`;
        figures.note("psql COPY FROM", await timeShell(line, { ...peerEnvironment, TARGET: url }));
        await servers.dropDatabase(url);
      },
      async () => {
        const url = await makeDatabase(false);
        const main = join(projectRoot, "src/cli/main.ts");
        const command = [...nodeFlags, main, "recover", "latest", "--organization", big];
        const startedMs = performance.now();
        // As scripts/wedsync-backup.mjs starts it.
        const NODE_COMPILE_CACHE = join(servers.folder, "compile-cache");
        const env = { NODE_COMPILE_CACHE, ...product.environment, RECOVER_DATABASE_URL: url };
        await run(process.execPath, command, { env });
        figures.note("recover", (performance.now() - startedMs) / 1000);
        await servers.dropDatabase(url);
      },
      async () => {
        const url = await makeDatabase(true);
        const { outcome: restored } = await restore("restore elsewhere", { target: "other" }, { targetUrl: url });
        expectRows(restored, outcome.rows);
        await servers.dropDatabase(url);
      },
      async () => {
        await changeOnePercent(sourceUrl, big, "scattered", (databases += 1));
        await restore("dry run", { dryRun: true, previewMs: 0 });
        await restore("damage", {});
        await restore("nothing to do", { preRestoreBackup: false });
      },
      async () => {
        const record = await loseGuest(sourceUrl, big);
        const secrets = { records: [record] };
        const { outcome: restored, bytesRead } = await restore(
          "one record",
          { records: 1, preRestoreBackup: false },
          secrets,
        );
        if (restored.applied.reduce((sum, { inserted }) => sum + inserted, 0) < 2)
          throw new Error("the record did not come back with its dependants");
        figures.note("one record: read %", (bytesRead / outcome.storedBytes) * 100);
        await loseGuest(sourceUrl, big);
        await restore("one record, backed up before", { records: 1 }, secrets);
        await restore("everything back", { preRestoreBackup: false });
      },
    ]);
    figures.note("peak memory, restores", await product.peakMemory());
    say(`  ${megabytes(outcome.storedBytes).toFixed(1)} MB stored`);
  } finally {
    await product.stop();
  }
  const { row } = figures;
  const peer = "psql COPY FROM";
  return [
    row("P6", "recovery of the big organization into an empty database", "s", "recover", { atMost: 0.6 }, peer),
    row("P6", "restore into tables that a migration made", "s", "restore elsewhere", { atMost: 0.6 }, peer),
    row("P6", "restore of 1 % damage, backed up before", "s", "damage", { atMost: 1 }, peer),
    row("P6", "… its dry run", "s", "dry run", null, peer),
    row("P7", "one guest with dependants", "s", "one record", { atMost: 2 }),
    row("P7", "… read by the worker, of the stored bytes", "%", "one record: read %", { atMost: 5 }),
    row("P7", "… backed up before", "s", "one record, backed up before", null),
    row("P9", "worker's peak memory, restores", "MB", "peak memory, restores", { atMost: 400 }),
  ].flat();
}

interface RestoreSecrets {
  readonly records?: readonly RecordSelection[];
  readonly targetUrl?: string;
}

function expectRows({ applied }: RestoreOutcome, rows: number): void {
  const inserted = applied.reduce((sum, table) => sum + table.inserted, 0);
  if (inserted !== rows) throw new Error(`${inserted} rows came back of ${rows}`);
}

/** Somebody deletes a guest who has a seat and dietary needs; what hangs on it goes along, comments by the app's hand. */
async function loseGuest(url: string, organizationId: string): Promise<RecordSelection> {
  const [row] = await queryOnce(
    url,
    `SELECT g.id FROM guests g JOIN seat_assignments s ON s.guest_id = g.id JOIN dietary_needs d ON d.guest_id = g.id WHERE g.organization_id = '${organizationId}' ORDER BY g.id LIMIT 1`,
  );
  const id = String(row?.["id"]);
  await queryOnce(url, `DELETE FROM comments WHERE subject_id = '${id}'; DELETE FROM guests WHERE id = '${id}'`);
  return { table: "public.guests", key: [id] };
}
