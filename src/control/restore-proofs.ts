// For each organization the newest backup that a restore test has brought back: what can be relied on, and how long it took.
import type { Queryable } from "./control-database.ts";

export interface RestoreProof {
  readonly organizationId: string;
  readonly backupId: string;
  readonly sequence: number | null;
  readonly provenAt: string;
  readonly rows: number | null;
  readonly bytes: number;
  /** Measured: the recovery time that was shown, not guessed. */
  readonly restoreSeconds: number | null;
}

export async function listRestoreProofs(database: Queryable, organizationId: string | null): Promise<RestoreProof[]> {
  return await database.query<RestoreProof>(
    `SELECT DISTINCT ON (organization_id) organization_id AS "organizationId", job_id AS "backupId", backup_sequence AS sequence,
       to_json(finished_at) #>> '{}' AS "provenAt", row_count::float8 AS rows, bytes::float8 AS bytes, restore_seconds AS "restoreSeconds"
     FROM backup.backup_verification_results
     WHERE level = 'restore' AND proven AND ($1::text IS NULL OR organization_id = $1)
     ORDER BY organization_id, backup_sequence DESC NULLS LAST, finished_at DESC`,
    [organizationId],
  );
}
