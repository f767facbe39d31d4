// Restores and their lease, as the activities need them. One statement each, so that a crash between two can't leave a
// lease without its row or a row without its lease.
import { BackupError, errorTable } from "../domain/errors.ts";
import type { AppliedRestore, RestoreLedger, RestoredFile } from "../ports/restore-ledger.ts";
import { appendOwnAudit } from "./audit.ts";
import type { ControlDatabase } from "./control-database.ts";
import { closeEndedRun, listBlockingRuns, sortRestores } from "./ended-runs.ts";
import { busy, leaseInterval } from "./lease.ts";

const openSql = `
  WITH waiting AS (
    SELECT 1 FROM backup.backup_restores
    WHERE organization_id = $2 AND id <> $1 AND status = 'waiting' AND waits_until + interval '1 hour' > now()
  ), lease AS (
    INSERT INTO backup.backup_leases AS held (organization_id, operation, holder, fencing_token, expires_at)
    SELECT $2, $3, $1, nextval('backup.fencing_tokens'), now() + interval '${leaseInterval}' WHERE NOT EXISTS (SELECT 1 FROM waiting)
    ON CONFLICT (organization_id) DO UPDATE
      SET operation = excluded.operation, holder = excluded.holder, expires_at = excluded.expires_at,
          fencing_token = CASE WHEN held.holder = excluded.holder THEN held.fencing_token ELSE excluded.fencing_token END
      WHERE held.holder = excluded.holder OR held.expires_at < now()
        -- A prune that is not just releasing backups makes way.
        OR held.operation = 'prune'
        OR EXISTS (SELECT 1 FROM backup.backup_jobs j WHERE j.id = held.holder AND j.status <> 'running')
    RETURNING fencing_token
  ), running AS (
    UPDATE backup.backup_restores SET status = 'running', waits_for = NULL, waits_until = NULL, started_at = coalesce(started_at, now())
    WHERE id = $1 AND $3 = 'restore' AND EXISTS (SELECT 1 FROM lease)
  )
  SELECT fencing_token::text AS token FROM lease`;

const releasedSql = `released AS (DELETE FROM backup.backup_leases WHERE organization_id = $2 AND holder = $1 AND fencing_token = $3)`;

export function createRestoreLedger(database: ControlDatabase): RestoreLedger {
  return {
    async openRestore({ restoreId, organizationId, operation }) {
      const [row] = await database.query<{ token: string }>(openSql, [restoreId, organizationId, operation]);
      if (row === undefined) throw busy(organizationId);
      return { fencingToken: Number(row.token) };
    },

    listBlockingRuns: (key) => listBlockingRuns(database, key),
    sortRestores: (ids) => sortRestores(database, ids),
    closeEndedRun: (run, rows) => closeEndedRun(database, run, rows),

    async assertLease({ restoreId, organizationId, fencingToken }) {
      const sql = `UPDATE backup.backup_leases SET expires_at = now() + interval '${leaseInterval}'
        WHERE organization_id = $2 AND holder = $1 AND fencing_token = $3 RETURNING 1 AS held`;
      const held = await database.query(sql, [restoreId, organizationId, fencingToken]);
      if (held.length === 0) throw busy(organizationId);
    },

    async readSecrets(restoreId) {
      const [row] = await database.query<{ records: [] | null; sealed: string | null }>(
        "SELECT records, target_sealed AS sealed FROM backup.backup_restores WHERE id = $1",
        [restoreId],
      );
      if (row === undefined) throw notFound(restoreId);
      return { records: row.records, targetSealed: row.sealed };
    },

    async readRestore(restoreId) {
      const [row] = await database.query<AppliedRestore>(
        `SELECT id AS "restoreId", organization_id AS "organizationId", status, target, pre_restore_sequence AS "preRestoreSequence", choice
         FROM backup.backup_restores WHERE id = $1`,
        [restoreId],
      );
      if (row === undefined) throw notFound(restoreId);
      return row;
    },

    async parkRestore({ lease, wait, backup, drift, differences }) {
      await database.query(
        `WITH ${releasedSql}
         UPDATE backup.backup_restores SET status = 'waiting', waits_for = $4, waits_until = $5, backup_id = $6, backup_sequence = $7,
           backup_taken_at = $8, drift = $9, differences = $10
         WHERE id = $1`,
        [
          lease.restoreId,
          lease.organizationId,
          lease.fencingToken,
          wait.for,
          wait.until,
          backup.backupId,
          backup.sequence,
          backup.takenAt,
          JSON.stringify(drift),
          JSON.stringify(differences),
        ],
      );
    },

    async recordProtection({ restoreId }, preRestoreSequence) {
      await database.query("UPDATE backup.backup_restores SET pre_restore_sequence = $2 WHERE id = $1", [
        restoreId,
        preRestoreSequence,
      ]);
    },

    async recordFiles({ restoreId, organizationId }, files) {
      await database.query(
        `INSERT INTO backup.backup_restore_files (organization_id, restore_id, path, change, sha256)
         SELECT $2, $1, f.path, f.change, f.sha256 FROM json_to_recordset($3) AS f (path text, change text, sha256 text)
         ON CONFLICT (restore_id, path) DO NOTHING`,
        [restoreId, organizationId, JSON.stringify(files)],
      );
    },

    listFiles: (restoreId) =>
      database.query<RestoredFile>(
        "SELECT path, change, sha256 FROM backup.backup_restore_files WHERE restore_id = $1 ORDER BY path",
        [restoreId],
      ),

    async completeRestore({ outcome, fencingToken, restoreSeconds }) {
      const { backup, applied } = outcome;
      await database.query(
        `WITH ${releasedSql}
         UPDATE backup.backup_restores SET status = $4, waits_for = NULL, waits_until = NULL, finished_at = now(), backup_id = $5,
           backup_sequence = $6, backup_taken_at = $7, pre_restore_sequence = $8, drift = $9, differences = $10, applied = $11, files = $12,
           proofs = $13, rules = $14, notes = $15, decided_by_default = $16, locked_ms = $17, restored_rows = $18, restore_seconds = $19
         WHERE id = $1`,
        [
          outcome.restoreId,
          outcome.organizationId,
          fencingToken,
          outcome.status,
          backup.backupId,
          backup.sequence,
          backup.takenAt,
          outcome.preRestoreSequence,
          JSON.stringify(outcome.drift),
          JSON.stringify(outcome.differences),
          JSON.stringify(applied),
          JSON.stringify(outcome.files),
          JSON.stringify(outcome.proofs),
          JSON.stringify(outcome.rules),
          JSON.stringify(outcome.notes),
          outcome.decidedByDefault,
          Math.round(outcome.lockedMs),
          applied.reduce((sum, table) => sum + table.inserted + table.updated + table.deleted, 0),
          restoreSeconds,
        ],
      );
    },

    async failRestore({ restoreId, organizationId, fencingToken, status, code, message, backup }) {
      await database.query(
        `WITH ${releasedSql}
         UPDATE backup.backup_restores SET status = $4, waits_for = NULL, waits_until = NULL, finished_at = now(), error_code = $5,
           error_message = $6, backup_id = $7, backup_sequence = $8, backup_taken_at = $9, rolled_back_at = CASE WHEN $4 = 'rolled_back' THEN now() END
         WHERE id = $1`,
        [
          restoreId,
          organizationId,
          fencingToken,
          status,
          code,
          message,
          backup?.backupId ?? null,
          backup?.sequence ?? null,
          backup?.takenAt ?? null,
        ],
      );
    },

    async completeRollback({ outcome, requestedBy, fencingToken }) {
      await database.query(
        `WITH ${releasedSql}
         UPDATE backup.backup_restores SET status = 'rolled_back', rolled_back_at = now(), rolled_back_by = $4, rollback = $5 WHERE id = $1`,
        [outcome.restoreId, outcome.organizationId, fencingToken, requestedBy, JSON.stringify(outcome)],
      );
    },

    recordRefusedRollback: ({ restoreId, organizationId, requestedBy, code }) =>
      appendOwnAudit(database, {
        organizationId,
        actor: requestedBy,
        action: "restore.rollback",
        subject: restoreId,
        // What was asked for could not be; anything else went wrong.
        outcome: errorTable[code].httpStatus < 500 && code !== "Cancelled" ? "refused" : "failed",
        details: { code },
      }),

    async releaseLease({ restoreId, organizationId, fencingToken }) {
      await database.query(`WITH ${releasedSql} SELECT 1`, [restoreId, organizationId, fencingToken]);
    },
  };
}

const notFound = (restoreId: string): BackupError =>
  new BackupError("RestoreNotFound", `There is no restore ${restoreId}. See: wedsync-backup restores`);
