// OPS4: a night. Every organization has a policy that is due at the same minute, and starts are spread over the jitter; one
// organization is two hundred times as large as the others. Once, not interleaved: a night has no peer.
import { Client } from "pg";
import { applyPolicySchedule } from "../../src/client/policy-schedules.ts";
import { openControlDatabase } from "../../src/control/control-database.ts";
import { putPolicy } from "../../src/control/policies.ts";
import { policyDefaults } from "../../src/domain/policy.ts";
import type { BenchContext } from "./bench-context.ts";
import { makeWeddings } from "./bench-data.ts";
import type { Measurement } from "./measurement.ts";
import { Product } from "./product.ts";

const jitterSeconds = 60;
const sampleEveryMs = 500;

export async function measureNight(context: BenchContext): Promise<Measurement[]> {
  const { size, servers, client, say } = context;
  const count = size.smallOrganizations;
  const sourceUrl = await servers.createDatabase("night");
  say(`  making ${count} organizations`);
  const weddings = { ...size.weddings, organizations: count };
  const { organizationIds } = await makeWeddings(sourceUrl, weddings, null);
  const product = await Product.start({ ...context, sourceUrl, store: "disk" });
  const control = openControlDatabase(product.environment["BACKUP_DATABASE_URL"] ?? "");
  try {
    say(`  making ${count} policies`);
    // Far enough away that all of them are made by then.
    const due = new Date(Math.ceil((Date.now() + count * 40 + 60_000) / 60_000) * 60_000);
    const cron = `${due.getUTCMinutes()} ${due.getUTCHours()} * * *`;
    for (const organizationId of organizationIds) {
      const fixed = { name: "nightly", dataSets: null, paused: false, cron, jitterSeconds };
      await applyPolicySchedule(client, await putPolicy(control, { ...policyDefaults, ...fixed, organizationId }));
    }
    say(`  due at ${due.toISOString()}`);
    const connections = await watchNight(sourceUrl, async () => {
      const [row] = await control.query<{ ended: string }>(
        "SELECT count(*) AS ended FROM backup.backup_jobs WHERE finished_at IS NOT NULL",
      );
      say(`  ${row?.ended} of ${count} done`);
      return Number(row?.ended) >= count;
    });
    const [night] = await control.query<Record<"done" | "failed" | "late" | "small" | "big", number>>(
      `SELECT extract(epoch FROM max(finished_at) - $1::timestamptz)::float8 AS done, count(*) FILTER (WHERE status <> 'completed')::float8 AS failed,
         percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - $1::timestamptz))::float8 AS late,
         percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at)) FILTER (WHERE organization_id <> $2)::float8 AS small,
         max(extract(epoch FROM finished_at - started_at)) FILTER (WHERE organization_id = $2)::float8 AS big
       FROM backup.backup_jobs`,
      [due.toISOString(), organizationIds[0] ?? ""],
    );
    const line = (work: string, unit: Measurement["unit"], figure: number | undefined, atMost: number | null) =>
      ({
        goal: "OPS4",
        work,
        unit,
        ours: [figure ?? Number.NaN],
        peer: null,
        limit: atMost === null ? null : { atMost },
      }) satisfies Measurement;
    return [
      line(
        `a night: ${count} policies due at once (spread over ${jitterSeconds} s), until the last is proven`,
        "s",
        night?.done,
        null,
      ),
      line("… that did not complete", "runs", night?.failed, 0),
      // Eight snapshots at most, each with a holder and a reader, and a connection that watches for who waits.
      line("… connections to the source database, at most", "connections", connections, 17),
      line("… the last hundredth began after", "s", night?.late, null),
      line("… the large one took", "s", night?.big, null),
      line("… of the small ones, the slowest hundredth took", "s", night?.small, null),
      line("… worker's peak memory", "MB", await product.peakMemory(), 400),
    ];
  } finally {
    await control.close();
    await product.stop();
  }
}

/** The most connections to the source database at a time, until `isOver`. */
async function watchNight(sourceUrl: string, isOver: () => Promise<boolean>): Promise<number> {
  const watch = new Client({ connectionString: sourceUrl });
  await watch.connect();
  let most = 0;
  try {
    for (let looks = 0; ; looks++) {
      const { rows } = await watch.query<{ open: number }>(
        "SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'wedsync-backup%'",
      );
      most = Math.max(most, rows[0]?.open ?? 0);
      if (looks % 10 === 0 && (await isOver())) return most;
      await new Promise((resolve) => setTimeout(resolve, sampleEveryMs));
    }
  } finally {
    await watch.end();
  }
}
