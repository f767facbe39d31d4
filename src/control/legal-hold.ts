// The legal hold of an organization: while it stands, nothing of its backups may be removed, by no rule and for no reason.
import type { Queryable } from "./control-database.ts";

export interface LegalHold {
  readonly organizationId: string;
  readonly reason: string;
  readonly placedBy: string;
  readonly placedAt: string;
}

const columns = `organization_id AS "organizationId", reason, requested_by AS "placedBy",
  to_char(placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "placedAt"`;

/** Null = there is none. Whoever removes something asks right before, and again after a wait. */
export async function readLegalHold(database: Queryable, organizationId: string): Promise<LegalHold | null> {
  const [hold] = await database.query<LegalHold>(
    `SELECT ${columns} FROM backup.legal_holds WHERE organization_id = $1`,
    [organizationId],
  );
  return hold ?? null;
}

export const listLegalHolds = (database: Queryable): Promise<LegalHold[]> =>
  database.query<LegalHold>(`SELECT ${columns} FROM backup.legal_holds ORDER BY organization_id`);

/** Placing it again changes the reason, and not since when it stands. */
export async function placeLegalHold(
  database: Queryable,
  { organizationId, reason, actor }: { organizationId: string; reason: string; actor: string },
): Promise<LegalHold> {
  const [hold] = await database.query<LegalHold>(
    `INSERT INTO backup.legal_holds (organization_id, reason, requested_by) VALUES ($1, $2, $3)
     ON CONFLICT (organization_id) DO UPDATE SET reason = excluded.reason, requested_by = excluded.requested_by
     RETURNING ${columns}`,
    [organizationId, reason, actor],
  );
  return hold as LegalHold;
}

/** @returns whether there was one. */
export async function liftLegalHold(
  database: Queryable,
  { organizationId, actor }: { organizationId: string; actor: string },
): Promise<boolean> {
  const lifted = await database.query(
    `DELETE FROM backup.legal_holds USING (SELECT set_config('wedsync.actor', $2, true)) AS audited
     WHERE organization_id = $1 RETURNING 1 AS lifted`,
    [organizationId, actor],
  );
  return lifted.length > 0;
}
