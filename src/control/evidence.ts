// What the control tables keep of one organization and period, for the compliance report.
import type { Evidence } from "../domain/compliance-evidence.ts";
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
     FROM backup.backup_restores WHERE organization_id = $1 AND target_organization_id = $1 AND requested_at >= $2 AND requested_at < $3 ORDER BY requested_at`,
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
  const holds = await database.query<Evidence["holds"][number]>(
    `SELECT ${time("at", "at")}, actor AS by,
       CASE action WHEN 'legal_holds.insert' THEN 'placed' WHEN 'legal_holds.update' THEN 'changed' ELSE 'lifted' END AS what,
       coalesce(details #>> '{after,reason}', details #>> '{before,reason}', '') AS reason
     FROM backup.audit_log WHERE organization_id = $1 AND at >= $2 AND at < $3 AND action LIKE 'legal\\_holds.%' ORDER BY at`,
    period,
  );
  const prunes = await database.query<Evidence["prunes"][number]>(
    `SELECT status, ${time("started_at", "startedAt")}, released, coalesce(removed_packs, 0) AS "removedPacks",
       coalesce(removed_bytes, 0)::float8 AS "removedBytes", error_code AS "errorCode"
     FROM backup.backup_prunes WHERE organization_id = $1 AND started_at >= $2 AND started_at < $3 AND status <> 'running' ORDER BY started_at`,
    period,
  );
  const keyRotations = await database.query<Evidence["keyRotations"][number]>(
    `SELECT ${time("at", "at")}, actor AS by FROM backup.audit_log
     WHERE organization_id = $1 AND at >= $2 AND at < $3 AND action = 'organization.key.rotate' AND outcome = 'done' ORDER BY at`,
    period,
  );
  const erasures = await database.query<NonNullable<Evidence["erasure"]>>(
    `SELECT status, requested_by AS "requestedBy", ${time("requested_at", "requestedAt")}, ${time("finished_at", "finishedAt")}, certificate_mac AS "certificateMac"
     FROM backup.backup_erasures WHERE organization_id = $1 AND requested_at < $2`,
    [organizationId, to],
  );
  const hold = await readLegalHold(database, organizationId);
  const legalHold = hold === null ? null : { reason: hold.reason, placedBy: hold.placedBy, placedAt: hold.placedAt };
  const kept = { jobs, verifications, restores, policies, access, legalHold, holds, prunes, keyRotations };
  return { organizationId, from, to, ...kept, erasure: erasures[0] ?? null };
}
