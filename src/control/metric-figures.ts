// What /metrics tells, from the table that triggers keep: as many rows as organizations, however many jobs.
import type { Queryable } from "./control-database.ts";

export interface OrganizationFigures {
  readonly organizationId: string;
  /** Seconds since 1970; null = never. */
  readonly lastGood: number | null;
  readonly lastFailed: number | null;
  readonly lastProven: number | null;
  readonly storedBytes: number;
  readonly jobsGood: number;
  readonly jobsFailed: number;
  readonly overduePolicies: number;
  /** Runs that Temporal's schedules of its policies did not start. */
  readonly skippedRuns: number;
  /** Proofs within the last day that found something. */
  readonly failedVerifications: number;
}

export interface NotificationFigures {
  /** Not delivered yet. */
  readonly open: number;
  /** Given up within the last day. */
  readonly failed: number;
}

export async function readNotificationFigures(bound: Queryable): Promise<NotificationFigures> {
  const [row] = await bound.query<NotificationFigures>(
    `SELECT count(*) FILTER (WHERE status IN ('waiting', 'handed'))::float8 AS open,
       count(*) FILTER (WHERE status = 'failed')::float8 AS failed
     FROM backup.notification_deliveries WHERE status IN ('waiting', 'handed') OR (status = 'failed' AND finished_at > now() - interval '1 day')`,
  );
  return row ?? { open: 0, failed: 0 };
}

/** Those that need a look come first: never backed up, then the oldest backup. */
export async function readMetricFigures(bound: Queryable, most: number): Promise<OrganizationFigures[]> {
  return await bound.query<OrganizationFigures>(
    `SELECT organization_id AS "organizationId", extract(epoch FROM last_good_at)::float8 AS "lastGood",
       extract(epoch FROM last_failed_at)::float8 AS "lastFailed", extract(epoch FROM last_proven_at)::float8 AS "lastProven",
       stored_bytes::float8 AS "storedBytes", jobs_good::float8 AS "jobsGood", jobs_failed::float8 AS "jobsFailed",
       (SELECT count(*)::float8 FROM backup.overdue_policies o WHERE o.organization_id = s.organization_id) AS "overduePolicies",
       (SELECT coalesce(sum(k.still_running + k.missed), 0)::float8 FROM backup.schedule_skips k
        WHERE k.organization_id = s.organization_id) AS "skippedRuns",
       (SELECT count(*)::float8 FROM backup.backup_verification_results v
        WHERE v.organization_id = s.organization_id AND NOT v.proven AND v.finished_at > now() - interval '1 day') AS "failedVerifications"
     FROM backup.organization_status s ORDER BY last_good_at NULLS FIRST, organization_id LIMIT $1`,
    [most],
  );
}
