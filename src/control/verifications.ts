// What was proven of which backup.
import type { Queryable } from "./control-database.ts";
import { utcMoment } from "./utc-moment.ts";

export interface VerificationRow {
  readonly id: number;
  readonly organizationId: string;
  readonly jobId: string;
  readonly level: string;
  readonly proven: boolean;
  readonly objects: number;
  readonly bytes: number;
  readonly problems: readonly { readonly key: string; readonly code: string; readonly message: string }[];
  readonly startedAt: string;
  readonly finishedAt: string;
}

export interface VerificationFilter {
  readonly organizationId: string | null;
  readonly jobId: string | null;
  readonly after: { readonly at: string; readonly id: number } | null;
  readonly limit: number;
}

export async function listVerifications(bound: Queryable, filter: VerificationFilter): Promise<VerificationRow[]> {
  const { organizationId, jobId, after, limit } = filter;
  return await bound.query<VerificationRow>(
    `SELECT v.id::float8 AS id, v.organization_id AS "organizationId", v.job_id AS "jobId", v.level, v.proven, v.objects::float8 AS objects,
       v.bytes::float8 AS bytes, v.problems, ${utcMoment("v.started_at")} AS "startedAt",
       ${utcMoment("v.finished_at")} AS "finishedAt"
     FROM backup.backup_verification_results v
     WHERE ${organizationId === null ? "$1::text IS NULL" : "v.organization_id = $1"} AND ($2::uuid IS NULL OR v.job_id = $2)
       AND ${after === null ? "$3::timestamptz IS NULL AND $4::bigint IS NULL" : "(v.finished_at, v.id) < ($3::timestamptz, $4::bigint)"}
     ORDER BY v.finished_at DESC, v.id DESC LIMIT $5`,
    [organizationId, jobId, after?.at ?? null, after?.id ?? null, limit],
  );
}
