// Backups that somebody asked for by hand.
import type { ProofLevel } from "../domain/backup-request.ts";
import type { Queryable } from "./control-database.ts";
import { utcMoment } from "./utc-moment.ts";

export interface Trigger {
  readonly id: string;
  readonly organizationId: string;
  readonly policyId: string | null;
  readonly jobId: string | null;
  readonly dataSets: readonly string[] | null;
  readonly proof: ProofLevel;
  readonly runAt: string;
  readonly purpose: string;
  readonly requestedBy: string;
  readonly workflowId: string;
  readonly createdAt: string;
}

const columns = `t.id, t.organization_id AS "organizationId", t.policy_id AS "policyId", t.job_id AS "jobId", t.data_sets AS "dataSets", t.proof,
  ${utcMoment("t.run_at")} AS "runAt", t.purpose, t.requested_by AS "requestedBy",
  t.workflow_id AS "workflowId", ${utcMoment("t.created_at")} AS "createdAt"`;

export async function recordTrigger(bound: Queryable, trigger: Omit<Trigger, "createdAt">): Promise<Trigger> {
  const { id, organizationId, policyId, jobId, dataSets, proof, runAt, purpose, requestedBy, workflowId } = trigger;
  const [recorded] = await bound.query<Trigger>(
    `INSERT INTO backup.backup_triggers AS t (id, organization_id, policy_id, job_id, data_sets, proof, run_at, purpose, requested_by, workflow_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING ${columns}`,
    [id, organizationId, policyId, jobId, dataSets, proof, runAt, purpose, requestedBy, workflowId],
  );
  return recorded as Trigger;
}

export async function listTriggers(
  bound: Queryable,
  filter: { organizationId: string | null; after: { at: string; id: string } | null; limit: number },
): Promise<Trigger[]> {
  const { organizationId, after, limit } = filter;
  return await bound.query<Trigger>(
    `SELECT ${columns} FROM backup.backup_triggers t
     WHERE ($1::text IS NULL OR t.organization_id = $1) AND ($2::timestamptz IS NULL OR (t.created_at, t.id) < ($2, $3::uuid))
     ORDER BY t.created_at DESC, t.id DESC LIMIT $4`,
    [organizationId, after?.at ?? null, after?.id ?? null, limit],
  );
}

export async function findTrigger(bound: Queryable, id: string): Promise<Trigger | null> {
  const [trigger] = await bound.query<Trigger>(`SELECT ${columns} FROM backup.backup_triggers t WHERE t.id = $1`, [id]);
  return trigger ?? null;
}
