// The job history for the facade: filtered, newest first, page by page. Each combination of filters that is common has an
// index which gives its order (migrations/0005_facade.sql); test/integration/facade-plans.test.ts looks at the plans.
import type { Queryable } from "./control-database.ts";
import { utcMoment } from "./utc-moment.ts";

export interface JobDetails {
  readonly id: string;
  readonly organizationId: string;
  readonly policyId: string | null;
  readonly status: "running" | "completed" | "incomplete" | "failed" | "cancelled";
  readonly trigger: string;
  readonly requestedBy: string;
  readonly workflowId: string;
  readonly dataSets: readonly string[] | null;
  readonly proof: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly sequence: number | null;
  readonly rows: number | null;
  readonly rawBytes: number | null;
  readonly storedBytes: number | null;
  readonly reusedBytes: number | null;
  readonly files: number | null;
  readonly missingFiles: number | null;
  readonly restarts: number | null;
  /** When retention let the backup go. */
  readonly releasedAt: string | null;
  readonly stages: Readonly<Record<string, unknown>>;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** Levels that were proven. */
  readonly proven: readonly string[];
}

export interface JobPageFilter {
  /** Null: those that the session may see. */
  readonly organizationId: string | null;
  readonly status?: readonly string[];
  readonly trigger?: string;
  readonly policyId?: string;
  /** Only runs that made a backup. */
  readonly backupsOnly?: boolean;
  readonly after: { readonly at: string; readonly id: string } | null;
  readonly limit: number;
}

const columns = `j.id, j.organization_id AS "organizationId", j.policy_id AS "policyId", j.status, j.trigger, j.requested_by AS "requestedBy",
  j.workflow_id AS "workflowId", j.data_sets AS "dataSets", j.proof, ${utcMoment("j.started_at")} AS "startedAt",
  ${utcMoment("j.finished_at")} AS "finishedAt", j.sequence, j.row_count::float8 AS rows,
  j.raw_bytes::float8 AS "rawBytes", j.stored_bytes::float8 AS "storedBytes", j.reused_bytes::float8 AS "reusedBytes", j.file_count AS files,
  j.missing_files AS "missingFiles", j.restarts, j.stages,
  to_char(j.released_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "releasedAt", j.error_code AS "errorCode", j.error_message AS "errorMessage",
  ARRAY(SELECT DISTINCT v.level FROM backup.backup_verification_results v WHERE v.job_id = j.id AND v.proven ORDER BY v.level) AS proven`;

export function jobPageQuery(filter: JobPageFilter): { sql: string; parameters: unknown[] } {
  const parameters: unknown[] = [];
  const parameter = (value: unknown): string => `$${parameters.push(value)}`;
  const conditions = ["true"];
  if (filter.organizationId !== null) conditions.push(`j.organization_id = ${parameter(filter.organizationId)}`);
  if (filter.status !== undefined) {
    // One status keeps the index's order; several are a filter on the organization's own.
    const [only, second] = filter.status;
    conditions.push(
      second === undefined ? `j.status = ${parameter(only)}` : `j.status = ANY(${parameter(filter.status)}::text[])`,
    );
  }
  if (filter.trigger !== undefined) conditions.push(`j.trigger = ${parameter(filter.trigger)}`);
  if (filter.policyId !== undefined) conditions.push(`j.policy_id = ${parameter(filter.policyId)}`);
  if (filter.backupsOnly === true) conditions.push("j.manifest_hash IS NOT NULL AND j.released_at IS NULL");
  if (filter.after !== null) {
    conditions.push(
      `(j.started_at, j.id) < (${parameter(filter.after.at)}::timestamptz, ${parameter(filter.after.id)}::uuid)`,
    );
  }
  const sql = `SELECT ${columns} FROM backup.backup_jobs j WHERE ${conditions.join(" AND ")}
    ORDER BY j.started_at DESC, j.id DESC LIMIT ${parameter(filter.limit)}`;
  return { sql, parameters };
}

export async function listJobPage(bound: Queryable, filter: JobPageFilter): Promise<JobDetails[]> {
  const { sql, parameters } = jobPageQuery(filter);
  return await bound.query<JobDetails>(sql, parameters);
}

/** Null when the session sees no such job. */
export async function findJob(bound: Queryable, id: string): Promise<JobDetails | null> {
  const [job] = await bound.query<JobDetails>(`SELECT ${columns} FROM backup.backup_jobs j WHERE j.id = $1`, [id]);
  return job ?? null;
}
