// What the facade's lists, filters and status pages read, and by which plans: the very functions that the endpoints call,
// under the facade's role and row-level security. The benchmark looks at them over a million jobs, a test over 200,000.
import { listAudit } from "../../src/control/audit.ts";
import type { Binding, BoundSessions } from "../../src/control/bound-sessions.ts";
import type { Queryable } from "../../src/control/control-database.ts";
import { readEvidence } from "../../src/control/evidence.ts";
import { findJob, listJobPage, type JobPageFilter } from "../../src/control/job-pages.ts";
import { listDeliveries } from "../../src/control/notifications.ts";
import { listKnownOrganizations, readOrganizationStatus, readTotals } from "../../src/control/organization-status.ts";
import { listPolicies } from "../../src/control/policies.ts";
import { listRestores } from "../../src/control/restores.ts";
import { listTriggers } from "../../src/control/triggers.ts";
import { listVerifications } from "../../src/control/verifications.ts";

export interface FacadeRead {
  readonly name: string;
  /** Null: a platform admin's session, which sees all. */
  readonly organizationId: string | null;
  /** One of these must be in the plan. */
  readonly indexes?: readonly string[];
  read(bound: Queryable): Promise<unknown>;
}

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly PlanNode[];
}

const organizationId = "org-7";
const policyId = "00000000-0000-4000-8000-000000000000";
/** A page and what filters leave out beside it. */
const mostRowsTouched = 400;
const limit = 51;

/** `middleAt`: about the middle of the jobs' times. */
export function listFacadeReads({ middleAt }: { middleAt: string }): FacadeRead[] {
  const middle = { at: middleAt, id: "80000000-0000-4000-8000-000000000000" };
  const jobPages: [string, Omit<JobPageFilter, "after" | "limit">, string[]][] = [
    ["an organization's jobs", { organizationId }, ["backup_jobs_by_organization"]],
    ["its failed jobs", { organizationId, status: ["failed"] }, ["backup_jobs_by_organization_status"]],
    ["a policy's jobs", { organizationId, policyId }, ["backup_jobs_by_organization_policy"]],
    ["its backups", { organizationId, backupsOnly: true }, ["backup_jobs_by_organization"]],
    ["everybody's jobs", { organizationId: null }, ["backup_jobs_by_time"]],
    [
      "everybody's failed jobs",
      { organizationId: null, status: ["failed"] },
      ["backup_jobs_by_status", "backup_jobs_by_time"],
    ],
  ];
  const reads: FacadeRead[] = jobPages.flatMap(([name, filter, indexes]) =>
    [null, middle].map((after) => ({
      name: `${name}, ${after === null ? "first" : "middle"} page`,
      organizationId: filter.organizationId,
      indexes,
      read: (bound: Queryable) => listJobPage(bound, { ...filter, after, limit }),
    })),
  );
  reads.push({
    name: "one job",
    organizationId,
    indexes: ["backup_jobs_pkey"],
    read: (bound) => findJob(bound, middle.id),
  });
  for (const whom of [organizationId, null]) {
    const whose = whom === null ? "everybody's" : "an organization's";
    const filter = { organizationId: whom, after: null, limit };
    const optional = whom === null ? {} : { organizationId: whom };
    const more: [string, FacadeRead["read"]][] = [
      ["totals", (bound) => readTotals(bound, whom)],
      ["policies", (bound) => listPolicies(bound, optional)],
      ["restores", (bound) => listRestores(bound, { ...optional, after: null, limit })],
      ["triggers", (bound) => listTriggers(bound, filter)],
      ["verifications", (bound) => listVerifications(bound, { ...filter, jobId: null })],
      ["deliveries", (bound) => listDeliveries(bound, filter)],
      ["audit log", (bound) => listAudit(bound, { ...filter, action: null, outcome: null })],
    ];
    for (const [name, read] of more) reads.push({ name: `${whose} ${name}`, organizationId: whom, read });
  }
  const month = { from: new Date(Date.parse(middleAt) - 30 * 86_400_000).toISOString(), to: middleAt };
  reads.push(
    { name: "a month's evidence", organizationId, read: (bound) => readEvidence(bound, { organizationId, ...month }) },
    { name: "a status", organizationId, read: (bound) => readOrganizationStatus(bound, [organizationId]) },
    { name: "known organizations", organizationId: null, read: listKnownOrganizations },
  );
  for (const view of ["last_good_backups", "success_rates", "storage_used", "overdue_policies"])
    reads.push({ name: view, organizationId: null, read: (bound) => bound.query(`SELECT * FROM backup.${view}`) });
  return reads;
}

/** What is wrong with the plans of a read; nothing where each reads its big tables by an index. */
export async function findPlanFaults(sessions: BoundSessions, read: FacadeRead): Promise<string[]> {
  const binding: Binding = {
    organizationId: read.organizationId,
    platform: read.organizationId === null,
    actor: "plans",
    role: "viewer",
  };
  return await sessions.run(binding, async (bound) => {
    const nodes: PlanNode[] = [];
    const explaining: Queryable = {
      async query(sql, parameters = []) {
        const [row] = await bound.query<{ "QUERY PLAN": [{ Plan: PlanNode }] }>(
          `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
          parameters,
        );
        nodes.push(...flatten((row as { "QUERY PLAN": [{ Plan: PlanNode }] })["QUERY PLAN"][0].Plan));
        return await bound.query(sql, parameters);
      },
    };
    await read.read(explaining);
    // In this database the jobs alone are many: other tables are small, and rightly read as they lie.
    const scans = nodes.filter((node) => node["Relation Name"] === "backup_jobs");
    // (A bitmap of an index has its name one node below.)
    const used = new Set(nodes.flatMap((node) => node["Index Name"] ?? []));
    const faults: string[] = [];
    if (nodes.length === 0) faults.push("asked nothing");
    if (scans.some((node) => node["Node Type"].endsWith("Seq Scan"))) faults.push("reads all jobs");
    for (const scan of scans) {
      const rows = (scan["Actual Rows"] + (scan["Rows Removed by Filter"] ?? 0)) * scan["Actual Loops"];
      if (rows >= mostRowsTouched) faults.push(`touches ${rows} jobs`);
    }
    if (read.indexes !== undefined && !read.indexes.some((index) => used.has(index)))
      faults.push(`uses ${[...used].join(", ") || "no index"}, not ${read.indexes.join(" or ")}`);
    return faults;
  });
}

const flatten = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flatten)];
