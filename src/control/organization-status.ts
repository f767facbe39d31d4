// How organizations are protected, from the table that triggers keep: as many rows as organizations, however many jobs.
import type { Queryable } from "./control-database.ts";
import { utcMoment } from "./utc-moment.ts";

export interface OrganizationStatus {
  readonly organizationId: string;
  /** Its backups were erased, for good. */
  readonly erased: boolean;
  readonly policies: number;
  readonly activePolicies: number;
  readonly overduePolicies: number;
  readonly lastJobId: string | null;
  readonly lastStatus: string | null;
  readonly lastStartedAt: string | null;
  readonly lastGoodJobId: string | null;
  readonly lastGoodSequence: number | null;
  readonly lastGoodAt: string | null;
  readonly lastFailedAt: string | null;
  readonly lastErrorCode: string | null;
  readonly failuresSinceGood: number;
  readonly lastProvenJobId: string | null;
  readonly lastProvenLevel: string | null;
  readonly lastProvenAt: string | null;
  readonly jobsStarted: number;
  readonly jobsGood: number;
  readonly jobsFailed: number;
  readonly storedBytes: number;
}

/** Of the given organizations, known ones only. */
export async function readOrganizationStatus(
  bound: Queryable,
  organizationIds: readonly string[],
): Promise<OrganizationStatus[]> {
  return await bound.query<OrganizationStatus>(
    `SELECT asked.id AS "organizationId",
       EXISTS (SELECT FROM backup.backup_erasures e WHERE e.organization_id = asked.id AND e.status IN ('ordered', 'incomplete', 'erased')) AS erased,
       (SELECT count(*)::integer FROM backup.backup_policies p WHERE p.organization_id = asked.id) AS policies,
       (SELECT count(*)::integer FROM backup.backup_policies p WHERE p.organization_id = asked.id AND NOT p.paused) AS "activePolicies",
       (SELECT count(*)::integer FROM backup.overdue_policies o WHERE o.organization_id = asked.id) AS "overduePolicies",
       s.last_job_id AS "lastJobId", s.last_status AS "lastStatus", ${utcMoment("s.last_started_at")} AS "lastStartedAt",
       s.last_good_job_id AS "lastGoodJobId", s.last_good_sequence AS "lastGoodSequence", ${utcMoment("s.last_good_at")} AS "lastGoodAt",
       ${utcMoment("s.last_failed_at")} AS "lastFailedAt", s.last_error_code AS "lastErrorCode", coalesce(s.failures_since_good, 0) AS "failuresSinceGood",
       s.last_proven_job_id AS "lastProvenJobId", s.last_proven_level AS "lastProvenLevel", ${utcMoment("s.last_proven_at")} AS "lastProvenAt",
       coalesce(s.jobs_started, 0)::float8 AS "jobsStarted", coalesce(s.jobs_good, 0)::float8 AS "jobsGood",
       coalesce(s.jobs_failed, 0)::float8 AS "jobsFailed", coalesce(s.stored_bytes, 0)::float8 AS "storedBytes"
     FROM unnest($1::text[]) AS asked (id) LEFT JOIN backup.organization_status s ON s.organization_id = asked.id
     ORDER BY asked.id`,
    [organizationIds],
  );
}

/** Ids that the control tables know, whether or not the source still does. */
export async function listKnownOrganizations(bound: Queryable): Promise<string[]> {
  const rows = await bound.query<{ id: string }>(
    "SELECT organization_id AS id FROM backup.organization_status UNION SELECT organization_id FROM backup.backup_policies ORDER BY 1",
  );
  return rows.map((row) => row.id);
}

export interface Totals {
  readonly organizations: number;
  readonly jobsStarted: number;
  readonly jobsGood: number;
  readonly jobsFailed: number;
  readonly storedBytes: number;
  readonly overduePolicies: number;
}

export async function readTotals(bound: Queryable, organizationId: string | null): Promise<Totals> {
  const [totals] = await bound.query<Totals>(
    `SELECT count(*)::float8 AS organizations, coalesce(sum(jobs_started), 0)::float8 AS "jobsStarted", coalesce(sum(jobs_good), 0)::float8 AS "jobsGood",
       coalesce(sum(jobs_failed), 0)::float8 AS "jobsFailed", coalesce(sum(stored_bytes), 0)::float8 AS "storedBytes",
       (SELECT count(*)::float8 FROM backup.overdue_policies o WHERE $1::text IS NULL OR o.organization_id = $1) AS "overduePolicies"
     FROM backup.organization_status s WHERE $1::text IS NULL OR s.organization_id = $1`,
    [organizationId],
  );
  return totals as Totals;
}
