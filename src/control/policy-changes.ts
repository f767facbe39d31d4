// Changes of policies by the facade: only by a caller that knows the version it changes, and never over another of the
// same name. The session's row-level security says whose policies there are.
import { randomUUID } from "node:crypto";
import { BackupError } from "../domain/errors.ts";
import type { Policy } from "../domain/policy.ts";
import { policyColumns } from "./policies.ts";
import type { Queryable } from "./control-database.ts";

export interface PolicyValues extends Omit<Policy, "id" | "organizationId" | "version" | "verification"> {
  /** The longest time between two runs of the cron line; null when it can't be told. */
  readonly longestGapSeconds: number | null;
}

/** @throws PolicyExists */
export async function createPolicy(bound: Queryable, organizationId: string, values: PolicyValues): Promise<Policy> {
  const [created] = await bound.query<Policy>(
    `INSERT INTO backup.backup_policies (id, organization_id, name, cron, time_zone, jitter_seconds, catchup_seconds, proof, data_sets, paused, longest_gap_seconds, retention)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (organization_id, name) DO NOTHING RETURNING ${policyColumns}`,
    [randomUUID(), organizationId, ...inOrder(values)],
  );
  if (created === undefined) throw exists();
  return created;
}

/** `version`: the one that the caller has read; null to change whatever is there. @throws PolicyNotFound, PolicyChanged, PolicyExists */
export async function changePolicy(
  bound: Queryable,
  id: string,
  version: number | null,
  values: PolicyValues,
): Promise<Policy> {
  const before = await lockPolicy(bound, id, version);
  const [taken] = await bound.query(
    "SELECT 1 FROM backup.backup_policies WHERE organization_id = $1 AND name = $2 AND id <> $3",
    [before.organizationId, values.name, id],
  );
  if (taken !== undefined) throw exists();
  const [changed] = await bound.query<Policy>(
    `UPDATE backup.backup_policies SET name = $2, cron = $3, time_zone = $4, jitter_seconds = $5, catchup_seconds = $6, proof = $7, data_sets = $8,
       paused = $9, longest_gap_seconds = $10, retention = $11, version = version + 1, updated_at = now() WHERE id = $1 RETURNING ${policyColumns}`,
    [id, ...inOrder(values)],
  );
  return changed as Policy;
}

/** @throws PolicyNotFound */
export async function pausePolicy(bound: Queryable, id: string, paused: boolean): Promise<Policy> {
  const before = await lockPolicy(bound, id, null);
  if (before.paused === paused) return before;
  const [changed] = await bound.query<Policy>(
    `UPDATE backup.backup_policies SET paused = $2, version = version + 1, updated_at = now() WHERE id = $1 RETURNING ${policyColumns}`,
    [id, paused],
  );
  return changed as Policy;
}

/** @throws PolicyNotFound, PolicyChanged */
export async function removePolicy(bound: Queryable, id: string, version: number | null): Promise<Policy> {
  const policy = await lockPolicy(bound, id, version);
  await bound.query("DELETE FROM backup.backup_policies WHERE id = $1", [id]);
  return policy;
}

async function lockPolicy(bound: Queryable, id: string, version: number | null): Promise<Policy> {
  const [policy] = await bound.query<Policy>(
    `SELECT ${policyColumns} FROM backup.backup_policies WHERE id = $1 FOR UPDATE`,
    [id],
  );
  if (policy === undefined) throw new BackupError("PolicyNotFound", "There is no such policy.");
  if (version !== null && policy.version !== version)
    throw new BackupError("PolicyChanged", `The policy is at version ${policy.version}; read it again.`);
  return policy;
}

const inOrder = (values: PolicyValues): unknown[] => [
  values.name,
  values.cron,
  values.timeZone,
  values.jitterSeconds,
  values.catchupSeconds,
  values.proof,
  values.dataSets,
  values.paused,
  values.longestGapSeconds,
  values.retention ?? {},
];

const exists = (): BackupError =>
  new BackupError(
    "PolicyExists",
    "The organization has a policy of that name already; change that one, or choose another name.",
  );
