// Reading the job history.
import type { ControlDatabase } from "./control-database.ts";

export interface JobRow {
  readonly id: string;
  readonly organizationId: string;
  readonly status: "running" | "completed" | "incomplete" | "failed" | "cancelled";
  readonly trigger: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly sequence: number | null;
  readonly rows: number | null;
  readonly rawBytes: number | null;
  readonly storedBytes: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** The highest level that was proven; null when none was. */
  readonly proven: string | null;
  readonly stages: Readonly<Record<string, unknown>>;
}

interface JobFilter {
  readonly organizationId?: string;
  readonly id?: string;
  readonly limit: number;
}

export async function listJobs(database: ControlDatabase, { organizationId, id, limit }: JobFilter): Promise<JobRow[]> {
  return await database.query<JobRow>(
    `SELECT id, organization_id AS "organizationId", status, trigger, to_json(started_at) #>> '{}' AS "startedAt", to_json(finished_at) #>> '{}' AS "finishedAt",
       sequence, row_count::float8 AS rows, raw_bytes::float8 AS "rawBytes", stored_bytes::float8 AS "storedBytes",
       error_code AS "errorCode", error_message AS "errorMessage", stages,
       (SELECT v.level FROM backup.backup_verification_results v WHERE v.job_id = j.id AND v.proven ORDER BY array_position(ARRAY['restore', 'consistency', 'content', 'integrity'], v.level) LIMIT 1) AS proven
     FROM backup.backup_jobs j
     WHERE ($1::text IS NULL OR organization_id = $1) AND ($2::uuid IS NULL OR id = $2)
     ORDER BY started_at DESC LIMIT $3`,
    [organizationId ?? null, id ?? null, limit],
  );
}
