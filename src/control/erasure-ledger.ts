// Erasures and their lease, as the activities need them. Each method is one statement, and safe to repeat.
import type { ErasureKey, ErasureLedger, UndoPlace } from "../ports/erasure-ledger.ts";
import type { ControlDatabase } from "./control-database.ts";
import { assertNoHold, auditErasure, getErasure } from "./erasures.ts";
import { busy, leaseInterval } from "./lease.ts";

/** A restore that waits for people has given its lease back, and has rows of the organization lying beside the live ones. */
const openSql = `
  WITH waiting AS (
    SELECT 1 FROM backup.backup_restores
    WHERE organization_id = $2 AND status = 'waiting' AND waits_until + interval '1 hour' > now()
  )
  INSERT INTO backup.backup_leases AS held (organization_id, operation, holder, fencing_token, expires_at)
  SELECT $2, 'erase', $1, nextval('backup.fencing_tokens'), now() + interval '${leaseInterval}' WHERE NOT EXISTS (SELECT 1 FROM waiting)
  ON CONFLICT (organization_id) DO UPDATE
    SET operation = 'erase', holder = excluded.holder, expires_at = excluded.expires_at,
        fencing_token = CASE WHEN held.holder = excluded.holder THEN held.fencing_token ELSE excluded.fencing_token END
    WHERE held.holder = excluded.holder OR held.expires_at < now()
      OR EXISTS (SELECT 1 FROM backup.backup_jobs j WHERE j.id = held.holder AND j.status <> 'running')
  RETURNING fencing_token::text AS token`;

const releasedSql = `released AS (DELETE FROM backup.backup_leases WHERE organization_id = $2 AND holder = $1)`;

export function createErasureLedger(database: ControlDatabase): ErasureLedger {
  const update = async (key: ErasureKey, set: string, values: readonly unknown[]): Promise<void> => {
    await database.query(`UPDATE backup.backup_erasures SET ${set} WHERE id = $1`, [key.erasureId, ...values]);
  };
  return {
    async openErasure({ erasureId, organizationId }) {
      const [row] = await database.query<{ token: string }>(openSql, [erasureId, organizationId]);
      if (row === undefined) throw busy(organizationId);
      return { fencingToken: Number(row.token) };
    },

    readErasure: ({ organizationId }) => getErasure(database, organizationId),

    assertNoHold: (organizationId) => assertNoHold(database, organizationId),

    async orderErasure({ erasureId, organizationId, fencingToken }) {
      const [row] = await database.query<{ begun: boolean }>("SELECT backup.begin_erasure($1, $2) AS begun", [
        erasureId,
        fencingToken,
      ]);
      if (row?.begun !== true) throw busy(organizationId);
    },

    async extendLease({ erasureId, organizationId, fencingToken }) {
      const held = await database.query(
        `UPDATE backup.backup_leases SET expires_at = now() + interval '${leaseInterval}'
         WHERE organization_id = $2 AND holder = $1 AND fencing_token = $3 RETURNING 1 AS held`,
        [erasureId, organizationId, fencingToken],
      );
      if (held.length === 0) throw busy(organizationId);
    },

    async releaseLease({ erasureId, organizationId }) {
      await database.query(`WITH ${releasedSql} SELECT 1`, [erasureId, organizationId]);
    },

    recordKeys: (key, { keyIds, amounts }) =>
      update(key, "key_ids = coalesce(key_ids, $2), key_amounts = coalesce(key_amounts, $3)", [
        keyIds,
        JSON.stringify(amounts),
      ]),
    recordKeysDestroyed: (key) => update(key, "keys_destroyed_at = coalesce(keys_destroyed_at, now())", []),
    recordAmounts: (key, amounts) => update(key, "amounts = coalesce(amounts, $2)", [JSON.stringify(amounts)]),
    recordRemaining: (key, remaining) => update(key, "remaining = $2", [JSON.stringify(remaining)]),

    listUndoPlaces: (organizationId) =>
      database.query<UndoPlace & Record<string, unknown>>(
        `SELECT target_sealed AS "targetSealed", array_agg(id::text ORDER BY id) AS "restoreIds" FROM backup.backup_restores
         WHERE organization_id = $1 OR target_organization_id = $1 GROUP BY target_sealed`,
        [organizationId],
      ),

    async listSchedules(organizationId) {
      const policies = await database.query<{ id: string }>(
        "SELECT id FROM backup.backup_policies WHERE organization_id = $1",
        [organizationId],
      );
      const triggers = await database.query<{ id: string }>(
        "SELECT workflow_id AS id FROM backup.backup_triggers WHERE organization_id = $1 AND job_id IS NULL AND run_at > now()",
        [organizationId],
      );
      return { policyIds: policies.map(({ id }) => id), triggerWorkflowIds: triggers.map(({ id }) => id) };
    },

    forgetOrganization: (key) =>
      // The first attempt that commits has deleted what there was; later ones add what came in between.
      update(
        key,
        `control_rows = coalesce(control_rows, '{}') || backup.forget_organization(organization_id, requested_by)`,
        [],
      ),

    async completeErasure({ key, status, finishedAt, certificate, signature }) {
      const { requestedBy } = await getErasure(database, key.organizationId);
      const details = { certificate: JSON.parse(certificate) as unknown, certificateText: certificate, ...signature };
      await database.query(
        `WITH ${releasedSql}, kept AS (
           UPDATE backup.backup_erasures SET status = $3, finished_at = $4, certificate = $5, certificate_root = $6, certificate_mac = $7,
             error_code = NULL, error_message = NULL
           WHERE id = $1 AND certificate IS DISTINCT FROM $5 RETURNING 1
         )
         SELECT backup.write_audit($2, $8, 'system', 'organization.erase', $1::uuid::text, 'done', NULL, NULL, $9::jsonb) FROM kept`,
        [
          key.erasureId,
          key.organizationId,
          status,
          finishedAt,
          certificate,
          signature.rootKeyId,
          signature.mac,
          requestedBy,
          JSON.stringify(details),
        ],
      );
    },

    async closeErasure({ erasureId, organizationId }, { code, message }) {
      await database.query(
        `WITH ${releasedSql}
         UPDATE backup.backup_erasures SET status = CASE status WHEN 'requested' THEN 'refused' ELSE status END, error_code = $3, error_message = $4
         WHERE id = $1`,
        [erasureId, organizationId, code, message],
      );
      const { requestedBy, status } = await getErasure(database, organizationId);
      const outcome = status === "refused" ? "refused" : "failed";
      await auditErasure(database, {
        organizationId,
        actor: requestedBy,
        subject: erasureId,
        outcome,
        details: { code, message },
      });
    },
  };
}
