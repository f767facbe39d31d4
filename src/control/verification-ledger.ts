// Verifications, as the activities keep them and look them up.
import type { VerificationLedger } from "../ports/verification-ledger.ts";
import type { ControlDatabase } from "./control-database.ts";

export function createVerificationLedger(database: ControlDatabase): VerificationLedger {
  return {
    async recordVerification(proof) {
      const { jobId, organizationId, level, objects, bytes, problems, startedAt, part = null } = proof;
      await database.query(
        `INSERT INTO backup.backup_verification_results (organization_id, job_id, level, proven, objects, bytes, problems, started_at,
           backup_sequence, row_count, restore_seconds, rules, part, parts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
        [
          organizationId,
          jobId,
          level,
          problems.length === 0,
          objects,
          bytes,
          JSON.stringify(problems),
          startedAt,
          proof.sequence ?? null,
          proof.rows ?? null,
          proof.restoreSeconds ?? null,
          JSON.stringify(proof.rules ?? []),
          part?.number ?? null,
          part?.of ?? null,
        ],
      );
    },

    async listDamage(organizationId, most) {
      const rows = await database.query<{ job_id: string; keys: string[] }>(
        `SELECT v.job_id, array_agg(DISTINCT problem ->> 'key') AS keys
         FROM backup.backup_verification_results v, jsonb_array_elements(v.problems) AS problem
         WHERE NOT v.proven AND v.job_id IN (
             SELECT j.id FROM backup.backup_jobs j WHERE j.organization_id = $1 AND j.manifest_hash IS NOT NULL
             ORDER BY j.sequence DESC LIMIT $2)
           AND NOT EXISTS (SELECT 1 FROM backup.backup_verification_results w
             WHERE w.job_id = v.job_id AND w.proven AND w.part IS NULL AND w.finished_at > v.finished_at
               AND (v.level = 'integrity' OR w.level <> 'integrity'))
         GROUP BY v.job_id`,
        [organizationId, most],
      );
      return new Map(rows.map((row) => [row.job_id, row.keys]));
    },
  };
}
