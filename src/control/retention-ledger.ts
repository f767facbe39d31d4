// Runs of retention and their lease, as the activities need them.
//
// A backup may take the lease away at any moment, and a restore may while nothing is being released (operation "prune"):
// both are more urgent, and what a prune goes on to remove then is needed by neither (FORMAT.md, "Removing"). While it
// releases (operation "release", two minutes at most) a restore must wait: it could choose a backup that is just let go.
import { BackupError } from "../domain/errors.ts";
import { judgeBackups } from "../domain/retention.ts";
import { describeRemembered } from "../domain/retention-facts.ts";
import type { RetentionLedger } from "../ports/retention-ledger.ts";
import type { ControlDatabase } from "./control-database.ts";
import { readLegalHold } from "./legal-hold.ts";
import { busy } from "./lease.ts";
import { readRetentionFacts } from "./retention-facts.ts";

/** A prune that died holds up nobody: backups and restores do not wait for it, and the next prune only so long. */
const pruneInterval = "10 minutes";

const openSql = `
  WITH lease AS (
    INSERT INTO backup.backup_leases AS held (organization_id, operation, holder, fencing_token, expires_at)
    SELECT $2, 'prune', $1, nextval('backup.fencing_tokens'), now() + interval '${pruneInterval}'
    -- Whatever its lease says: a run that has not ended may have uploaded what no manifest names yet.
    WHERE NOT EXISTS (SELECT 1 FROM backup.backup_jobs j WHERE j.organization_id = $2 AND j.status = 'running')
    ON CONFLICT (organization_id) DO UPDATE
      SET operation = 'prune', holder = excluded.holder, expires_at = excluded.expires_at,
          fencing_token = CASE WHEN held.holder = excluded.holder THEN held.fencing_token ELSE excluded.fencing_token END
      WHERE held.holder = excluded.holder OR held.expires_at < now()
        OR EXISTS (SELECT 1 FROM backup.backup_jobs j WHERE j.id = held.holder AND j.status <> 'running')
        OR EXISTS (SELECT 1 FROM backup.backup_prunes p WHERE p.id = held.holder AND (p.status <> 'running' OR p.workflow_id = $3))
    RETURNING fencing_token
  ), lost AS (
    -- The workflow id is one run at a time: an older run of it that still "runs" was terminated without a word.
    UPDATE backup.backup_prunes SET status = 'failed', finished_at = now(), error_code = 'Cancelled', error_message = 'The run was ended from outside.'
    WHERE organization_id = $2 AND workflow_id = $3 AND id <> $1 AND status = 'running' AND EXISTS (SELECT 1 FROM lease)
  ), opened AS (
    INSERT INTO backup.backup_prunes (id, organization_id, workflow_id, requested_by) SELECT $1, $2, $3, $4 FROM lease
    ON CONFLICT (id) DO NOTHING
  )
  SELECT fencing_token::text AS token FROM lease`;

const releasedSql = "released AS (DELETE FROM backup.backup_leases WHERE organization_id = $2 AND holder = $1)";

export function createRetentionLedger(database: ControlDatabase): RetentionLedger {
  return {
    async isPruneDue(organizationId) {
      const [asked] = await database.query<{ hasRules: boolean; sweepDue: boolean }>(
        `SELECT EXISTS (SELECT 1 FROM backup.backup_policies p WHERE p.organization_id = $1 AND p.retention <> '{}') AS "hasRules",
           coalesce((SELECT p.sweep_due_at <= now() OR p.status <> 'completed' FROM backup.backup_prunes p
             WHERE p.organization_id = $1 ORDER BY p.started_at DESC LIMIT 1), false) AS "sweepDue"`,
        [organizationId],
      );
      if (asked?.sweepDue === true) return (await readLegalHold(database, organizationId)) === null;
      if (asked?.hasRules !== true) return false;
      const facts = await readRetentionFacts(database, organizationId);
      const { policies, legalHold } = facts;
      const judged = judgeBackups({ backups: describeRemembered(facts), policies, legalHold, nowMs: Date.now() });
      return judged.some(({ keptBy }) => keptBy.length === 0);
    },

    async openPrune({ pruneId, organizationId, workflowId, requestedBy }) {
      const [row] = await database.query<{ token: string }>(openSql, [
        pruneId,
        organizationId,
        workflowId,
        requestedBy,
      ]);
      if (row === undefined) throw busy(organizationId);
      return { fencingToken: Number(row.token) };
    },

    readFacts: (organizationId) => readRetentionFacts(database, organizationId),

    async claimReleases({ organizationId, fencingToken }, sequences) {
      const [row] = await database.query<{ claimed: number[] | null }>(
        "SELECT backup.claim_release($1, $2, $3) AS claimed",
        [organizationId, fencingToken, sequences],
      );
      if (row?.claimed === null || row?.claimed === undefined) throw busy(organizationId);
      return row.claimed;
    },

    async assertMayRemove({ organizationId, fencingToken }) {
      const held = await database.query(
        `UPDATE backup.backup_leases SET operation = 'prune', expires_at = now() + interval '${pruneInterval}'
         WHERE organization_id = $1 AND fencing_token = $2 AND operation IN ('prune', 'release') RETURNING 1 AS held`,
        [organizationId, fencingToken],
      );
      if (held.length === 0) throw busy(organizationId);
      if ((await readLegalHold(database, organizationId)) !== null)
        throw new BackupError(
          "LegalHoldActive",
          `A legal hold keeps everything of organization ${organizationId}; the prune ended.`,
          { organizationId },
        );
    },

    async recordReleases(organizationId, listed) {
      await database.query(
        `UPDATE backup.backup_jobs SET released_at = CASE WHEN sequence = ANY ($2::integer[]) THEN NULL ELSE now() END
         FROM (SELECT set_config('wedsync.actor', 'retention', true)) AS audited
         WHERE organization_id = $1 AND manifest_hash IS NOT NULL AND sequence <= (SELECT max(s) FROM unnest($2::integer[]) AS s)
           AND (sequence = ANY ($2::integer[])) <> (released_at IS NULL)`,
        [organizationId, listed],
      );
    },

    async completePrune({ pruneId, organizationId, released, swept }) {
      await database.query(
        `WITH ${releasedSql}, freed AS (
           UPDATE backup.organization_status SET stored_bytes = greatest(0, stored_bytes - $7) WHERE organization_id = $2
         )
         UPDATE backup.backup_prunes SET status = 'completed', finished_at = now(), kept = $3, released = $4, quarantined_packs = $5,
           removed_packs = $6, removed_bytes = $7, sweep_due_at = $8 WHERE id = $1`,
        [
          pruneId,
          organizationId,
          released.kept,
          released.released,
          swept.quarantinedPacks,
          swept.removedPacks,
          swept.removedBytes,
          swept.nextDueAt,
        ],
      );
    },

    async failPrune({ pruneId, organizationId, code, message }) {
      await database.query(
        `WITH ${releasedSql}
         UPDATE backup.backup_prunes SET status = 'failed', finished_at = now(), error_code = $3, error_message = $4 WHERE id = $1`,
        [pruneId, organizationId, code, message],
      );
    },

    async holdBackup({ organizationId, sequence, reader, seconds }) {
      const [row] = await database.query<{ held: boolean }>("SELECT backup.hold_backup($1, $2, $3, $4) AS held", [
        organizationId,
        sequence,
        reader,
        seconds,
      ]);
      return row?.held === true;
    },

    async dropHold({ organizationId, reader }) {
      await database.query("DELETE FROM backup.backup_reads WHERE organization_id = $1 AND reader = $2", [
        organizationId,
        reader,
      ]);
    },
  };
}
