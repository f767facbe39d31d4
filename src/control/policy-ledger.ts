// Policies, as the activities ask for them; and their skipped runs.
import type { ProofLevel } from "../domain/backup-request.ts";
import type { PolicySchedule } from "../domain/policy.ts";
import type { VerificationLevel } from "../domain/verify-run.ts";
import type { PolicyLedger } from "../ports/policy-ledger.ts";
import { appendOwnAudit } from "./audit.ts";
import type { ControlDatabase } from "./control-database.ts";
import { readPrerequisites } from "./policy-dependencies.ts";

export function createPolicyLedger(database: ControlDatabase): PolicyLedger {
  return {
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
