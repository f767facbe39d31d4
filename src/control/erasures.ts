// Erasures for those who order and look: the CLI and the facade. The row is written before the workflow starts; the
// activities keep it up to date (erasure-ledger.ts).
import { randomUUID } from "node:crypto";
import { isErasedStatus } from "../domain/erase-run.ts";
import { BackupError } from "../domain/errors.ts";
import type { ErasureRow } from "../ports/erasure-ledger.ts";
import type { Queryable } from "./control-database.ts";
import { readLegalHold } from "./legal-hold.ts";

const time = (column: string, name: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "${name}"`;
const columns = `id AS "erasureId", organization_id AS "organizationId", status, requested_by AS "requestedBy", ${time("requested_at", "requestedAt")},
  leave_locked AS "leaveLocked", ${time("ordered_at", "orderedAt")}, ${time("keys_destroyed_at", "keysDestroyedAt")}, ${time("finished_at", "finishedAt")},
  key_ids AS "keyIds", key_amounts AS "keyAmounts", amounts, control_rows AS "controlRows", remaining, certificate, certificate_root AS "certificateRoot",
  certificate_mac AS "certificateMac", error_code AS "errorCode", error_message AS "errorMessage"`;

export async function findErasure(database: Queryable, organizationId: string): Promise<ErasureRow | null> {
  const [row] = await database.query<ErasureRow>(
    `SELECT ${columns} FROM backup.backup_erasures WHERE organization_id = $1`,
    [organizationId],
  );
  return row ?? null;
}

/** @throws ErasureNotFound */
export async function getErasure(database: Queryable, organizationId: string): Promise<ErasureRow> {
  const row = await findErasure(database, organizationId);
  if (row === null)
    throw new BackupError("ErasureNotFound", "No erasure of this organization was ordered.", { organizationId });
  return row;
}

/** For the owner of the tables: the command line. @returns the erasure's id, which is an older one's where it goes on. */
export async function requestErasure(
  database: Queryable,
  { organizationId, actor, leaveLocked }: { organizationId: string; actor: string; leaveLocked: boolean },
): Promise<string> {
  const [row] = await database.query<{ id: string }>("SELECT backup.request_erasure($1, $2, $3, $4) AS id", [
    randomUUID(),
    organizationId,
    actor,
    leaveLocked,
  ]);
  return (row as { id: string }).id;
}

/** For the facade: organization and actor are those of the session's binding. */
export async function requestOwnErasure(bound: Queryable, { leaveLocked }: { leaveLocked: boolean }): Promise<string> {
  const [row] = await bound.query<{ id: string }>("SELECT backup.order_own_erasure($1, $2) AS id", [
    randomUUID(),
    leaveLocked,
  ]);
  return (row as { id: string }).id;
}

/** @throws LegalHoldActive */
export async function assertNoHold(database: Queryable, organizationId: string): Promise<void> {
  const hold = await readLegalHold(database, organizationId);
  if (hold === null) return;
  throw new BackupError(
    "LegalHoldActive",
    `A legal hold keeps the backups of organization ${organizationId}: “${hold.reason}”, placed by ${hold.placedBy} on ${hold.placedAt}. Nothing was erased; have the hold lifted first.`,
    { organizationId, placedAt: hold.placedAt },
  );
}

/** @throws OrganizationErased from the moment that an erasure was ordered */
export async function assertNotErased(database: Queryable, organizationId: string): Promise<void> {
  const erasure = await findErasure(database, organizationId);
  if (erasure !== null && isErasedStatus(erasure.status))
    throw new BackupError("OrganizationErased", "The organization's backups were erased; nothing brings them back.", {
      organizationId,
    });
}

const counted = [
  "backup_policies",
  "backup_jobs",
  "backup_verification_results",
  "backup_restores",
  "backup_triggers",
] as const;

/** Of the tables that people know; an erasure goes through all that there are. */
export async function countControlRows(
  database: Queryable,
  organizationId: string,
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const table of counted) {
    const [row] = await database.query<{ rows: number }>(
      `SELECT count(*)::float8 AS rows FROM backup.${table} WHERE organization_id = $1`,
      [organizationId],
    );
    if ((row?.rows ?? 0) > 0) counts[table] = row?.rows ?? 0;
  }
  return counts;
}

/** Ids of those that nothing may begin for any more. */
export async function listErased(database: Queryable): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    "SELECT organization_id AS id FROM backup.backup_erasures WHERE status IN ('ordered', 'incomplete', 'erased')",
  );
  return rows.map(({ id }) => id);
}

/** By the owner of the tables, for what no session of the facade has audited. */
export async function auditErasure(
  database: Queryable,
  entry: {
    readonly organizationId: string;
    readonly actor: string;
    readonly subject: string;
    readonly outcome: "refused" | "done" | "failed";
    readonly details: Readonly<Record<string, unknown>>;
  },
): Promise<void> {
  const { organizationId, actor, subject, outcome, details } = entry;
  await database.query(
    "SELECT backup.write_audit($1, $2, 'system', 'organization.erase', $3, $4, NULL, NULL, $5::jsonb)",
    [organizationId, actor, subject, outcome, JSON.stringify(details)],
  );
}
