// The policies' own table. Temporal's schedules follow it (src/client/policy-schedules.ts).
import { randomUUID } from "node:crypto";
import { BackupError } from "../domain/errors.ts";
import type { Policy } from "../domain/policy.ts";
import type { ControlDatabase, Queryable } from "./control-database.ts";

const verificationColumn = `CASE WHEN verify_cron IS NOT NULL
    THEN json_build_object('cron', verify_cron, 'level', verify_level, 'nights', verify_nights) END AS verification`;
/** An empty object, the column's default, keeps everything. */
const retentionColumn = "nullif(retention, '{}'::jsonb) AS retention";
export const policyColumns = `id, organization_id AS "organizationId", name, cron, time_zone AS "timeZone", jitter_seconds AS "jitterSeconds",
  catchup_seconds AS "catchupSeconds", proof, data_sets AS "dataSets", paused, version,
  ${verificationColumn}, ${retentionColumn}`;

export async function listPolicies(database: Queryable, filter: { organizationId?: string } = {}): Promise<Policy[]> {
  return await database.query<Policy>(
    `SELECT ${policyColumns} FROM backup.backup_policies WHERE $1::text IS NULL OR organization_id = $1 ORDER BY organization_id, name`,
    [filter.organizationId ?? null],
  );
}

/** @throws PolicyNotFound */
export async function getPolicy(database: Queryable, id: string): Promise<Policy> {
  const isId = /^[0-9a-f-]{36}$/i.test(id);
  const [policy] = isId
    ? await database.query<Policy>(`SELECT ${policyColumns} FROM backup.backup_policies WHERE id = $1`, [id])
    : [];
  if (policy === undefined)
    throw new BackupError("PolicyNotFound", `There is no policy ${id}. See: wedsync-backup policy list`);
  return policy;
}

/** `verification` and `retention` left out: a new policy has none, a changed one keeps its own. */
export type NewPolicy = Omit<Policy, "id" | "version" | "verification" | "retention"> &
  Partial<Pick<Policy, "verification" | "retention">>;

/** Creates it, or changes the one of the same organization and name. */
export async function putPolicy(database: ControlDatabase, policy: NewPolicy): Promise<Policy> {
  const { organizationId, name, cron, timeZone, jitterSeconds, catchupSeconds, proof, dataSets, paused } = policy;
  const { verification, retention } = policy;
  const [stored] = await database.query<Policy>(
    `INSERT INTO backup.backup_policies AS p (id, organization_id, name, cron, time_zone, jitter_seconds, catchup_seconds, proof, data_sets, paused,
       verify_cron, verify_level, verify_nights, retention)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $12, coalesce($13, 'restore'), coalesce($14, 7), coalesce($16::jsonb, '{}'))
     ON CONFLICT (organization_id, name) DO UPDATE SET cron = excluded.cron, time_zone = excluded.time_zone, jitter_seconds = excluded.jitter_seconds,
       catchup_seconds = excluded.catchup_seconds, proof = excluded.proof, data_sets = excluded.data_sets, paused = excluded.paused,
       verify_cron = CASE WHEN $11 THEN excluded.verify_cron ELSE p.verify_cron END,
       verify_level = CASE WHEN $11 THEN excluded.verify_level ELSE p.verify_level END,
       verify_nights = CASE WHEN $11 THEN excluded.verify_nights ELSE p.verify_nights END,
       retention = CASE WHEN $15 THEN excluded.retention ELSE p.retention END,
       version = p.version + 1, updated_at = now()
     RETURNING ${policyColumns}`,
    [
      randomUUID(),
      organizationId,
      name,
      cron,
      timeZone,
      jitterSeconds,
      catchupSeconds,
      proof,
      dataSets,
      paused,
      verification !== undefined,
      verification?.cron ?? null,
      verification?.level ?? null,
      verification?.nights ?? null,
      retention !== undefined,
      retention ?? null,
    ],
  );
  return stored as Policy;
}

export async function setPolicyPaused(database: ControlDatabase, id: string, paused: boolean): Promise<Policy> {
  const policy = await getPolicy(database, id);
  await database.query(
    "UPDATE backup.backup_policies SET paused = $2, version = version + 1, updated_at = now() WHERE id = $1",
    [id, paused],
  );
  return { ...policy, paused, version: policy.version + 1 };
}

export async function deletePolicy(database: ControlDatabase, id: string): Promise<Policy> {
  const policy = await getPolicy(database, id);
  await database.query("DELETE FROM backup.backup_policies WHERE id = $1", [id]);
  return policy;
}
