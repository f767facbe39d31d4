// Jobs and leases, as the activities need them. Opening and closing a job are one statement each: a small backup takes
// well under a second, and round trips count.
import type { ProofLevel } from "../domain/backup-request.ts";
import type { PolicySchedule } from "../domain/policy.ts";
import type { VerificationLevel } from "../domain/verify-run.ts";
import type { JobLedger } from "../ports/job-ledger.ts";
import { appendOwnAudit } from "./audit.ts";
import type { ControlDatabase } from "./control-database.ts";
import { readPrerequisites } from "./policy-dependencies.ts";
import { busy, leaseInterval } from "./lease.ts";

const ownLeaseSql = `
    INSERT INTO backup.backup_leases AS held (organization_id, operation, holder, fencing_token, expires_at)
    VALUES ($2, 'backup', $1, nextval('backup.fencing_tokens'), now() + interval '${leaseInterval}')
    ON CONFLICT (organization_id) DO UPDATE
      SET operation = 'backup', holder = excluded.holder, expires_at = excluded.expires_at,
          fencing_token = CASE WHEN held.holder = excluded.holder THEN held.fencing_token ELSE excluded.fencing_token END
      WHERE held.holder = excluded.holder OR held.expires_at < now()
        -- Whatever a prune goes on to remove, no backup counts on (FORMAT.md, "Removing").
        OR held.operation IN ('prune', 'release')
        OR EXISTS (SELECT 1 FROM backup.backup_jobs j WHERE j.id = held.holder AND (j.status <> 'running' OR j.workflow_id = $4))
    RETURNING fencing_token`;

/** The backup right before a restore works under the restore's lease, and leaves it to the restore. */
const restoresLeaseSql = `
    UPDATE backup.backup_leases SET expires_at = now() + interval '${leaseInterval}'
    WHERE organization_id = $2 AND operation = 'restore' AND holder = $9
    RETURNING fencing_token`;

const openJobSql = (leaseSql: string): string => `
  WITH lease AS (${leaseSql}
  ), job AS (
    INSERT INTO backup.backup_jobs (id, organization_id, policy_id, trigger, requested_by, status, workflow_id, data_sets, proof)
    SELECT $1, $2, $3, $5, $6, 'running', $4, $7, $8 FROM lease
    ON CONFLICT (id) DO NOTHING
  ), lost AS (
    -- The workflow id is one run at a time: an older job of it that still "runs" was terminated without a word.
    UPDATE backup.backup_jobs SET status = 'failed', finished_at = now(), error_code = 'Cancelled', error_message = 'The run was ended from outside.'
    WHERE workflow_id = $4 AND id <> $1 AND status = 'running' AND EXISTS (SELECT 1 FROM lease)
  )
  SELECT fencing_token::text AS token FROM lease`;

export function createJobLedger(database: ControlDatabase): JobLedger {
  return {
    async openJob({ jobId, organizationId, workflowId, request }) {
      const { policyId, trigger, requestedBy, dataSets, proof, restoreId } = request;
      const underRestore = restoreId !== undefined;
      const [row] = await database.query<{ token: string }>(openJobSql(underRestore ? restoresLeaseSql : ownLeaseSql), [
        jobId,
        organizationId,
        policyId,
        workflowId,
        trigger,
        requestedBy,
        dataSets,
        proof,
        ...(underRestore ? [restoreId] : []),
      ]);
      if (row === undefined) throw busy(organizationId);
      return { fencingToken: Number(row.token) };
    },

    async assertLease({ organizationId, fencingToken }) {
      const sql = `UPDATE backup.backup_leases SET expires_at = now() + interval '${leaseInterval}' WHERE organization_id = $1 AND fencing_token = $2 RETURNING 1 AS held`;
      if ((await database.query(sql, [organizationId, fencingToken])).length === 0) throw busy(organizationId);
    },

    async completeJob({ outcome, manifestHash, fencingToken }) {
      const {
        backupId,
        organizationId,
        status,
        sequence,
        rows,
        rawBytes,
        storedBytes,
        reusedBytes,
        files,
        missingFiles,
        restarts,
        stages,
      } = outcome;
      await database.query(
        `WITH released AS (DELETE FROM backup.backup_leases WHERE organization_id = $2 AND fencing_token = $3 AND holder = $1)
         UPDATE backup.backup_jobs SET status = $4, finished_at = now(), sequence = $5, manifest_hash = $6, row_count = $7, raw_bytes = $8,
           stored_bytes = $9, reused_bytes = $10, file_count = $11, missing_files = $12, restarts = $13, stages = $14
         WHERE id = $1`,
        [
          backupId,
          organizationId,
          fencingToken,
          status,
          sequence,
          manifestHash,
          rows,
          rawBytes,
          storedBytes,
          reusedBytes,
          files,
          missingFiles,
          restarts,
          JSON.stringify(stages),
        ],
      );
    },

    async failJob({ jobId, organizationId, code, message, stages, sealed }) {
      await database.query(
        `WITH released AS (DELETE FROM backup.backup_leases WHERE organization_id = $2 AND holder = $1)
         UPDATE backup.backup_jobs SET status = $3, finished_at = now(), error_code = $4, error_message = $5, stages = $6,
           sequence = $7, manifest_hash = $8
         WHERE id = $1`,
        [
          jobId,
          organizationId,
          code === "Cancelled" ? "cancelled" : "failed",
          code,
          message,
          JSON.stringify(stages),
          sealed?.sequence ?? null,
          sealed?.manifestHash ?? null,
        ],
      );
    },

    async readPolicyRequest(policyId) {
      const [row] = await database.query<{ data_sets: string[] | null; proof: ProofLevel }>(
        "SELECT data_sets, proof FROM backup.backup_policies WHERE id = $1 AND NOT paused",
        [policyId],
      );
      return row === undefined ? null : { dataSets: row.data_sets, proof: row.proof };
    },

    recordSkippedRun: ({ policyId, organizationId, code }) =>
      appendOwnAudit(database, {
        organizationId,
        actor: policyId,
        action: "policy.run",
        subject: policyId,
        outcome: "refused",
        details: { code },
      }),

    listSchedulesToCount: (most) =>
      database.query<PolicySchedule>(
        `SELECT p.id AS "policyId", p.organization_id AS "organizationId", k.kind
         FROM backup.backup_policies p CROSS JOIN (VALUES ('backup'), ('verification')) AS k (kind)
           LEFT JOIN backup.schedule_skips s ON s.policy_id = p.id AND s.kind = k.kind
         WHERE k.kind = 'backup' OR p.verify_cron IS NOT NULL
         ORDER BY s.counted_at NULLS FIRST, p.id LIMIT $1`,
        [most],
      ),

    async recordScheduleSkips({ policyId, kind }, skips) {
      // Not of a policy that was removed meanwhile.
      await database.query(
        `INSERT INTO backup.schedule_skips AS s (policy_id, kind, organization_id, still_running, missed)
         SELECT id, $2, organization_id, coalesce($3::bigint, 0), coalesce($4::bigint, 0) FROM backup.backup_policies WHERE id = $1
         ON CONFLICT (policy_id, kind) DO UPDATE
           SET still_running = coalesce($3, s.still_running), missed = coalesce($4, s.missed), counted_at = now()`,
        [policyId, kind, skips?.stillRunning ?? null, skips?.missed ?? null],
      );
    },

    readPrerequisites: (policyId) => readPrerequisites(database, policyId),

    async latestManifest(organizationId) {
      const [row] = await database.query<{ sequence: number; manifest_hash: string }>(
        "SELECT sequence, manifest_hash FROM backup.backup_jobs WHERE organization_id = $1 AND manifest_hash IS NOT NULL ORDER BY sequence DESC LIMIT 1",
        [organizationId],
      );
      return row === undefined ? null : { sequence: row.sequence, hash: row.manifest_hash };
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

    async readVerificationPolicy(policyId) {
      const [row] = await database.query<{ level: VerificationLevel; nights: number; last: number | null }>(
        `SELECT p.verify_level AS level, p.verify_nights AS nights,
           (SELECT v.part FROM backup.backup_verification_results v
            WHERE v.organization_id = p.organization_id AND v.level = 'integrity' AND v.parts = p.verify_nights
            ORDER BY v.finished_at DESC LIMIT 1) AS last
         FROM backup.backup_policies p WHERE p.id = $1 AND p.verify_cron IS NOT NULL AND NOT p.paused`,
        [policyId],
      );
      // After the part that was read last, not by the date: a night that was missed must leave no gap.
      return row === undefined
        ? null
        : { level: row.level, part: { number: ((row.last ?? 0) % row.nights) + 1, of: row.nights } };
    },
  };
}
