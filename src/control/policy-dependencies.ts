// A policy that waits for others: what it waits for, and how their newest runs stand.
import { BackupError } from "../domain/errors.ts";
import type { Prerequisite } from "../domain/policy.ts";
import type { Queryable } from "./control-database.ts";

/** @throws PolicyInvalid when it would close a circle. Changes nothing then. */
export async function setDependencies(
  database: Queryable,
  policyId: string,
  prerequisites: readonly string[],
): Promise<void> {
  const [answer] = await database.query<{ set: boolean }>("SELECT backup.set_dependencies($1, $2) AS set", [
    policyId,
    prerequisites,
  ]);
  if (answer?.set !== true)
    throw new BackupError(
      "PolicyInvalid",
      "A policy can wait for policies of its own organization only, and not for one that waits for it.",
      { policyId },
    );
}

export async function readPrerequisites(database: Queryable, policyId: string): Promise<Prerequisite[]> {
  return await database.query<Prerequisite>(
    `SELECT d.depends_on_policy_id AS "policyId", p.name,
       coalesce((SELECT j.status FROM backup.backup_jobs j WHERE j.policy_id = d.depends_on_policy_id ORDER BY j.started_at DESC LIMIT 1), 'none') AS newest
     FROM backup.backup_dependencies d JOIN backup.backup_policies p ON p.id = d.depends_on_policy_id
     WHERE d.policy_id = $1 ORDER BY p.name`,
    [policyId],
  );
}
