// The plans of the facade's lists with many jobs: by index, in order, without a sort, under row-level security.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { openBoundSessions, readBindingKey, type BoundSessions } from "../../src/control/bound-sessions.ts";
import { openControlDatabase, type ControlDatabase } from "../../src/control/control-database.ts";
import { jobPageQuery, type JobPageFilter } from "../../src/control/job-pages.ts";
import { migrateControlTables } from "../../src/control/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/test-database.ts";

const jobs = 200_000;
const organizations = 500;
let database: TestDatabase;
let owner: ControlDatabase;
let sessions: BoundSessions;

beforeAll(async () => {
  database = await createTestDatabase();
  await migrateControlTables(database.url);
  owner = openControlDatabase(database.url);
  sessions = openBoundSessions({ url: database.url, bindingKey: await readBindingKey(owner) });
  // The triggers would write 200,000 audit entries, which is not what is looked at here.
  await database.query(
    `ALTER TABLE backup.backup_jobs DISABLE TRIGGER USER;
     INSERT INTO backup.backup_jobs (id, organization_id, policy_id, trigger, requested_by, status, workflow_id, proof, started_at, finished_at, sequence, manifest_hash)
     SELECT gen_random_uuid(), 'org-' || n % ${organizations}, md5((n % ${organizations} * 2 + n / ${organizations} % 2)::text)::uuid, 'schedule', 'x',
            CASE WHEN n % 7 = 0 THEN 'failed' ELSE 'completed' END, 'backup/x', 'content', now() - n * interval '1 minute', now(), n / ${organizations}, CASE WHEN n % 7 = 0 THEN NULL ELSE 'x' END
     FROM generate_series(1, ${jobs}) n;
     ALTER TABLE backup.backup_jobs ENABLE TRIGGER USER;
     ANALYZE backup.backup_jobs;`,
  );
});

afterAll(async () => {
  await sessions?.close();
  await owner?.close();
  await database?.drop();
});

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Actual Rows": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly PlanNode[];
}

const flatten = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flatten)];

async function planOf(organizationId: string | null, sql: string, parameters: readonly unknown[]): Promise<PlanNode[]> {
  const binding = { organizationId, platform: organizationId === null, actor: "plans", role: "viewer" };
  const [row] = await sessions.run(binding, (bound) =>
    bound.query<{ "QUERY PLAN": [{ Plan: PlanNode }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, parameters),
  );
  return flatten((row as { "QUERY PLAN": [{ Plan: PlanNode }] })["QUERY PLAN"][0].Plan);
}

const middle = {
  at: new Date(Date.now() - (jobs / 2) * 60_000).toISOString(),
  id: "80000000-0000-4000-8000-000000000000",
};
const filters: [string, Omit<JobPageFilter, "after" | "limit">, string][] = [
  ["an organization's jobs", { organizationId: "org-7" }, "backup_jobs_by_organization"],
  ["its failed jobs", { organizationId: "org-7", status: ["failed"] }, "backup_jobs_by_organization_status"],
  [
    "a policy's jobs",
    { organizationId: "org-7", policyId: "00000000-0000-4000-8000-000000000000" },
    "backup_jobs_by_organization_policy",
  ],
  ["its backups", { organizationId: "org-7", backupsOnly: true }, "backup_jobs_by_organization"],
  ["everybody's jobs", { organizationId: null }, "backup_jobs_by_time"],
  [
    "everybody's failed jobs",
    { organizationId: null, status: ["failed"] },
    "backup_jobs_by_status|backup_jobs_by_time",
  ],
];

describe(`with ${jobs} jobs`, () => {
  test.each(filters)("%s, first and middle page", async (_what, filter, index) => {
    for (const after of [null, middle]) {
      const { sql, parameters } = jobPageQuery({ ...filter, after, limit: 51 });
      const nodes = await planOf(filter.organizationId, sql, parameters);
      // (A bitmap of an index has its name one node below.)
      const scans = nodes.filter((node) => node["Relation Name"] === "backup_jobs");
      const indexes = nodes.flatMap((node) => node["Index Name"] ?? []);
      expect(scans.map((node) => node["Node Type"])).not.toContain("Seq Scan");
      expect(indexes.some((name) => index.split("|").includes(name))).toBe(true);
      // No more than the page is touched, give or take what the filters leave out.
      for (const scan of scans) expect(scan["Actual Rows"] + (scan["Rows Removed by Filter"] ?? 0)).toBeLessThan(400);
    }
  });

  test("one job, by its key", async () => {
    const nodes = await planOf("org-7", "SELECT * FROM backup.backup_jobs WHERE id = $1", [middle.id]);
    expect(nodes[0]?.["Index Name"] ?? nodes[1]?.["Index Name"]).toBe("backup_jobs_pkey");
  });

  test("the newest manifest of an organization", async () => {
    const sql =
      "SELECT sequence, manifest_hash FROM backup.backup_jobs WHERE organization_id = $1 AND manifest_hash IS NOT NULL ORDER BY sequence DESC LIMIT 1";
    const nodes = await planOf("org-7", sql, ["org-7"]);
    expect(nodes.some((node) => node["Index Name"] === "backup_jobs_by_organization_sequence")).toBe(true);
  });

  test("how organizations are, without looking at jobs", async () => {
    for (const view of ["last_good_backups", "success_rates", "storage_used", "overdue_policies"]) {
      const nodes = await planOf(null, `SELECT * FROM backup.${view}`, []);
      expect([view, nodes.some((node) => node["Relation Name"] === "backup_jobs")]).toEqual([view, false]);
    }
  });
});
