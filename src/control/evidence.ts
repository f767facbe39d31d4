// What the control tables keep of one organization and period, for the compliance report.
import type { Evidence } from "../domain/compliance-report.ts";
import { readLegalHold } from "./legal-hold.ts";
import type { Queryable } from "./control-database.ts";

const time = (column: string, name: string): string => `to_json(${column}) #>> '{}' AS "${name}"`;

export async function readEvidence(
  database: Queryable,
  { organizationId, from, to }: Pick<Evidence, "organizationId" | "from" | "to">,
): Promise<Evidence> {
  const period = [organizationId, from, to];
  const jobs = await database.query<Evidence["jobs"][number]>(
    `SELECT status, ${time("started_at", "startedAt")}, ${time("finished_at", "finishedAt")}, sequence, coalesce(missing_files, 0) AS "missingFiles", error_code AS "errorCode"
     FROM backup.backup_jobs WHERE organization_id = $1 AND started_at >= $2 AND started_at < $3 AND status <> 'running' ORDER BY started_at`,
    period,
  );
  const verifications = await database.query<Evidence["verifications"][number]>(
    `SELECT level, proven, ${time("finished_at", "finishedAt")}, backup_sequence AS sequence, restore_seconds AS "restoreSeconds"
     FROM backup.backup_verification_results WHERE organization_id = $1 AND finished_at >= $2 AND finished_at < $3 ORDER BY finished_at`,
    period,
  );
  const restores = await database.query<Evidence["restores"][number]>(
    `SELECT status, dry_run AS "dryRun", ${time("requested_at", "requestedAt")}, restore_seconds AS "restoreSeconds", error_code AS "errorCode"
     FROM backup.backup_restores WHERE organization_id = $1 AND requested_at >= $2 AND requested_at < $3 ORDER BY requested_at`,
    period,
  );
  const policies = await database.query<Evidence["policies"][number]>(
    "SELECT name, cron, proof, paused FROM backup.backup_policies WHERE organization_id = $1 ORDER BY name",
    [organizationId],
  );
  const access = await database.query<Evidence["access"][number]>(
    `SELECT action, outcome, count(*)::int AS count FROM backup.audit_log
     WHERE organization_id = $1 AND at >= $2 AND at < $3 GROUP BY action, outcome ORDER BY action, outcome`,
    period,
  );
  const hold = await readLegalHold(database, organizationId);
  const legalHold = hold === null ? null : { reason: hold.reason, placedBy: hold.placedBy, placedAt: hold.placedAt };
  return { organizationId, from, to, jobs, verifications, restores, policies, access, legalHold };
}
