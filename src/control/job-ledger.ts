// Jobs and leases, as the activities need them. Opening and closing a job are one statement each: a small backup takes
// well under a second, and round trips count.
import type { JobLedger } from "../ports/job-ledger.ts";
import type { ControlDatabase } from "./control-database.ts";
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

    async latestManifest(organizationId) {
      const [row] = await database.query<{ sequence: number; manifest_hash: string }>(
        "SELECT sequence, manifest_hash FROM backup.backup_jobs WHERE organization_id = $1 AND manifest_hash IS NOT NULL ORDER BY sequence DESC LIMIT 1",
        [organizationId],
      );
      return row === undefined ? null : { sequence: row.sequence, hash: row.manifest_hash };
    },
  };
}
