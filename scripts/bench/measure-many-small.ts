// P3: many small organizations on one worker, beside the same number of workflows whose activities do nothing; and one
// small organization alone.
import { backupWorkflowId } from "../../src/domain/backup-request.ts";
import type { BenchContext } from "./bench-context.ts";
import { makeWeddings } from "./bench-data.ts";
import { EmptyWorker } from "./empty-worker-process.ts";
import { interleave, type Measurement } from "./measurement.ts";
import { Product } from "./product.ts";

const concurrency = 16;
const alone = 5;

export async function measureManySmall(context: BenchContext): Promise<Measurement[]> {
  const { size, servers, client, say } = context;
  const count = size.smallOrganizations;
  const sourceUrl = await servers.createDatabase("small");
  say(`  making ${count} small organizations`);
  const weddings = { ...size.weddings, organizations: count + alone, bigFactor: 1 };
  const { organizationIds } = await makeWeddings(sourceUrl, weddings, null);
  const slice = Math.ceil(count / size.runs);
  const [rates, emptyRates, lone, memory, events]: number[][] = [[], [], [], [], []];
  let run = 0;

  await interleave(size.runs, [
    async () => {
      const ids = organizationIds.slice(run * slice, Math.min((run + 1) * slice, count));
      run += 1;
      const product = await Product.start({ ...context, sourceUrl, store: "disk" });
      try {
        const { seconds } = await product.backUpAll(ids, concurrency);
        rates?.push(ids.length / seconds);
        say(`  ours: ${(ids.length / seconds).toFixed(2)} a second`);
        const last = organizationIds[count + ((run - 1) % alone)] ?? "";
        lone?.push((await product.backUp(last, "content")).seconds);
        memory?.push(await product.peakMemory());
        const history = await client.workflow.getHandle(backupWorkflowId(last)).fetchHistory();
        events?.push(history.events?.length ?? Number.NaN);
        say(`  one alone: ${lone?.at(-1)?.toFixed(2)} s, ${events?.at(-1)} events`);
      } finally {
        await product.stop();
      }
    },
    async () => {
      const worker = await EmptyWorker.start(servers.temporalAddress);
      try {
        const rate = await worker.run(client, slice, concurrency);
        emptyRates?.push(rate);
        say(`  empty: ${rate.toFixed(2)} a second`);
      } finally {
        await worker.stop();
      }
    },
  ]);
  const peer = { name: "eight empty activities", figures: emptyRates ?? [] };
  const one = (goal: string, work: string, unit: Measurement["unit"], ours: number[] | undefined, atMost: number) =>
    ({ goal, work, unit, ours: ours ?? [], peer: null, limit: { atMost } }) satisfies Measurement;
  return [
    { goal: "P3", work: `${count} small organizations`, unit: "1/s", ours: rates ?? [], peer, limit: { atLeast: 0.6 } },
    one("P3", "one small organization alone, request to proof", "s", lone, 1.5),
    one("P3", "events in its history", "events", events, 60),
    one("P9", `worker's peak memory, ${count} small organizations`, "MB", memory, 400),
  ];
}
