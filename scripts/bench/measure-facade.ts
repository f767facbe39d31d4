// S1: the facade over a million jobs, asked as a dashboard asks: each kind of request many times, four at a time.
import { randomBytes } from "node:crypto";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { openBoundSessions, readBindingKey } from "../../src/control/bound-sessions.ts";
import { openControlDatabase } from "../../src/control/control-database.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import { startChildServer, waitUntilReady } from "../../src/local/child-server.ts";
import { findFreePort } from "../../src/local/free-port.ts";
import { projectRoot } from "../run-step.ts";
import { nodeEnvironment, nodeFlags } from "../start-node.mjs";
import type { BenchContext } from "./bench-context.ts";
import { findPlanFaults, listFacadeReads } from "./facade-reads.ts";
import type { Measurement } from "./measurement.ts";

const organizations = 500;
const asks = 200;
const atATime = 4;
const main = join(projectRoot, "src/cli/main.ts");

export async function measureFacade({ size, servers, sourceUrl, say }: BenchContext): Promise<Measurement[]> {
  const controlUrl = await servers.createDatabase("facade");
  say(`  making ${size.jobs} jobs`);
  await fillJobs(controlUrl, size.jobs);
  const port = await findFreePort();
  const env = {
    HOME: process.env["HOME"] ?? "",
    PATH: process.env["PATH"] ?? "",
    BACKUP_SOURCE_DATABASE_URL: sourceUrl,
    BACKUP_DATABASE_URL: controlUrl,
    BACKUP_DATA_DIR: join(servers.folder, "facade"),
    BACKUP_ENCRYPTION_KEY: randomBytes(32).toString("base64"),
    BACKUP_AUTH_SECRET: randomBytes(32).toString("hex"),
    TEMPORAL_ADDRESS: servers.temporalAddress,
    PORT: String(port),
  };
  const facade = await startChildServer("the facade", process.execPath, [...nodeFlags, main, "api"], {
    cwd: projectRoot,
    env: nodeEnvironment(env),
  });
  try {
    await waitUntilReady("the facade", facade, 60_000, async () => facade.output().includes("facade ready"));
    const token = await promisify(execFile)(process.execPath, [main, "token", "--organization", "org-7"], { env });
    const ask = async (path: string): Promise<Response> =>
      await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${token.stdout.trim()}` } });
    const page = (await (await ask("/api/admin/jobs?limit=20")).json()) as {
      jobs?: { id: string }[];
      next?: string | null;
    };
    const paths: Record<string, string> = {
      jobs: "/api/admin/jobs?limit=20",
      "failed jobs": "/api/admin/jobs?limit=20&status=failed",
      "the next page of jobs": `/api/admin/jobs?limit=20&cursor=${encodeURIComponent(page.next ?? "")}`,
      "one job": `/api/admin/jobs/${page.jobs?.[0]?.id ?? ""}`,
      backups: "/api/admin/backup?limit=20",
      statistics: "/api/admin/statistics",
      organizations: "/api/admin/organizations",
      policies: "/api/admin/policies",
      verifications: "/api/admin/verifications",
      restores: "/api/admin/restores",
      "the audit log": "/api/admin/audit",
    };
    const lines: Measurement[] = [];
    for (const [name, path] of Object.entries(paths)) {
      const figures = await timeAsks(() => ask(path));
      say(`  ${name}: ${figures.toFixed(1)} ms`);
      lines.push({
        goal: "S1",
        work: `the facade at ${size.jobs} jobs: ${name}, p99`,
        unit: "ms",
        ours: [figures],
        peer: null,
        limit: { atMost: 100 },
      });
    }
    lines.push(await measurePlans(controlUrl, size.jobs, say));
    return lines;
  } finally {
    await facade.stop();
  }
}

/** The p99 in ms. @throws on any answer that is not a success. */
async function timeAsks(ask: () => Promise<Response>): Promise<number> {
  const tookMs: number[] = [];
  const work = async (): Promise<void> => {
    while (tookMs.length < asks) {
      const startedMs = performance.now();
      const response = await ask();
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`the facade answered ${response.status} to ${response.url}`);
      tookMs.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: atATime * 4 }, ask)); // the first ones open connections
  await Promise.all(Array.from({ length: atATime }, work));
  return tookMs.toSorted((a, b) => a - b)[Math.floor(tookMs.length * 0.99)] ?? Number.NaN;
}

/** Each list, filter and status page as the endpoints read it, by its plan. */
async function measurePlans(controlUrl: string, jobs: number, say: BenchContext["say"]): Promise<Measurement> {
  const owner = openControlDatabase(controlUrl);
  const sessions = openBoundSessions({ url: controlUrl, bindingKey: await readBindingKey(owner) });
  try {
    const reads = listFacadeReads({ middleAt: new Date(Date.now() - (jobs / 2) * 60_000).toISOString() });
    let good = 0;
    for (const { indexes: _, ...read } of reads) {
      // Which of the right indexes it is depends on how many jobs there are.
      const faults = await findPlanFaults(sessions, read);
      if (faults.length === 0) good += 1;
      else say(`  ${read.name}: ${faults.join("; ")}`);
    }
    say(`  queries that read by an index: ${good} of ${reads.length}`);
    return {
      goal: "S1",
      work: `the facade at ${jobs} jobs: of ${reads.length} queries, those that read by an index`,
      unit: "queries",
      ours: [good],
      peer: null,
      limit: { atLeast: reads.length },
    };
  } finally {
    await sessions.close();
    await owner.close();
  }
}

async function fillJobs(controlUrl: string, jobs: number): Promise<void> {
  await migrateControlTables(controlUrl);
  const control = openControlDatabase(controlUrl);
  try {
    // The triggers would write as many audit entries, which is not what is measured.
    await control.query("ALTER TABLE backup.backup_jobs DISABLE TRIGGER USER");
    await control.query(
      `INSERT INTO backup.backup_jobs (id, organization_id, policy_id, trigger, requested_by, status, workflow_id, proof, started_at, finished_at, sequence, manifest_hash)
       SELECT gen_random_uuid(), 'org-' || n % $2, md5((n % $2 * 2 + n / $2 % 2)::text)::uuid, 'schedule', 'x',
         CASE WHEN n % 7 = 0 THEN 'failed' ELSE 'completed' END, 'backup/x', 'content', now() - n * interval '1 minute', now(), n / $2, CASE WHEN n % 7 = 0 THEN NULL ELSE 'x' END
       FROM generate_series(1, $1::int) n`,
      [jobs, organizations],
    );
    await control.query("ALTER TABLE backup.backup_jobs ENABLE TRIGGER USER");
    await control.query("VACUUM ANALYZE backup.backup_jobs");
  } finally {
    await control.close();
  }
}
