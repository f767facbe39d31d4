// What the control tables know that retention goes by. One statement: the worker's and the facade's sessions both ask it.
import type { RetentionFacts } from "../domain/retention-facts.ts";
import type { Queryable } from "./control-database.ts";

/** How long the backup from right before a restore is kept for its rollback. */
const rollbackInterval = "30 days";

// Proven: what looked at this backup last says so; a proof of all stored bytes counts where nothing looked at it alone.
// A failed proof of all bytes does not say which backup it was.
const factsSql = `
  SELECT
    coalesce((SELECT json_agg(json_build_object('id', p.id, 'name', p.name, 'timeZone', p.time_zone, 'rules', nullif(p.retention, '{}'::jsonb)) ORDER BY p.name)
      FROM backup.backup_policies p WHERE p.organization_id = $1), '[]') AS policies,
    (SELECT h.reason FROM backup.legal_holds h WHERE h.organization_id = $1) AS "legalHold",
    coalesce((SELECT json_agg(json_build_object(
        'backupId', j.id, 'sequence', j.sequence, 'createdAtMs', floor(extract(epoch FROM coalesce(j.finished_at, j.started_at)) * 1000),
        'complete', j.status <> 'incomplete', 'policyId', j.policy_id, 'isFull', j.data_sets IS NULL,
        'beforeRestore', j.trigger = 'restore',
        'proof', coalesce(
          (SELECT CASE WHEN v.proven THEN 'proven' ELSE 'failed' END FROM backup.backup_verification_results v
           WHERE v.job_id = j.id AND v.level <> 'integrity' ORDER BY v.id DESC LIMIT 1),
          (SELECT CASE WHEN v.proven THEN 'proven' END FROM backup.backup_verification_results v
           WHERE v.job_id = j.id AND v.level = 'integrity' AND coalesce(v.parts, 1) = 1 ORDER BY v.id DESC LIMIT 1),
          'unproven')))
      FROM backup.backup_jobs j
      WHERE j.organization_id = $1 AND j.manifest_hash IS NOT NULL AND j.released_at IS NULL), '[]') AS backups,
    EXISTS (SELECT 1 FROM backup.backup_restores r WHERE r.organization_id = $1
      AND (r.status = 'waiting' AND r.waits_until + interval '1 hour' > now() OR r.status = 'requested' AND r.requested_at > now() - interval '1 day'
        OR r.status = 'running' AND EXISTS (SELECT 1 FROM backup.backup_leases l WHERE l.organization_id = $1 AND l.holder = r.id))) AS "restoreWaits",
    ARRAY(SELECT r.sequence FROM backup.backup_reads r WHERE r.organization_id = $1 AND r.expires_at > now()) AS "readSequences",
    ARRAY(SELECT r.pre_restore_sequence FROM backup.backup_restores r WHERE r.organization_id = $1 AND r.pre_restore_sequence IS NOT NULL
      AND r.status = 'applied' AND r.finished_at > now() - interval '${rollbackInterval}') AS "rollbackSequences"`;

export async function readRetentionFacts(database: Queryable, organizationId: string): Promise<RetentionFacts> {
  const [facts] = await database.query<RetentionFacts>(factsSql, [organizationId]);
  return facts as RetentionFacts;
}
