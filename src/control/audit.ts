// Writing and reading the audit log. It is append-only and hash-chained (migrations/0004_audit-log.sql); actor and
// organization come from the session's binding.
import { auditEntryColumns, type AuditEntryFields } from "./audit-entry.ts";
import type { Queryable } from "./control-database.ts";

export interface AuditRecord {
  readonly action: string;
  /** What it was done to: an id, or a path. */
  readonly subject: string;
  /** allowed: about to be done; done, failed: how that ended; refused: it was not done. */
  readonly outcome: "allowed" | "refused" | "done" | "failed";
  readonly ipHash: string | null;
  readonly requestId: string | null;
  /** Ids, codes and counts; never a secret, never row data. */
  readonly details: Readonly<Record<string, unknown>>;
}

export async function appendAudit(bound: Queryable, record: AuditRecord): Promise<void> {
  const { action, subject, outcome, ipHash, requestId, details } = record;
  await bound.query("SELECT backup.append_audit($1, $2, $3, $4, $5, $6)", [
    action,
    subject.slice(0, 500),
    outcome,
    ipHash,
    requestId,
    JSON.stringify(details),
  ]);
}

/** Under the tables' owner, whose sessions are bound to nobody: the command line says itself who works there. */
export async function appendOwnAudit(
  owner: Queryable,
  record: Pick<AuditRecord, "action" | "subject" | "outcome"> & {
    readonly organizationId: string | null;
    readonly actor: string;
    readonly details: object;
  },
): Promise<void> {
  const { organizationId, actor, action, subject, outcome, details } = record;
  await owner.query("SELECT backup.write_audit($1, $2, 'system', $3, $4, $5, NULL, NULL, $6)", [
    organizationId,
    actor,
    action,
    subject.slice(0, 500),
    outcome,
    JSON.stringify(details),
  ]);
}

export interface AuditRow extends AuditEntryFields {
  readonly position: number;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface AuditFilter {
  readonly organizationId: string | null;
  readonly action: string | null;
  readonly outcome: string | null;
  readonly after: { readonly at: string; readonly position: number } | null;
  readonly limit: number;
}

/** Newest first. */
export async function listAudit(bound: Queryable, filter: AuditFilter): Promise<AuditRow[]> {
  const { organizationId, action, outcome, after, limit } = filter;
  return await bound.query<AuditRow>(
    `SELECT ${auditEntryColumns}, a.position::float8 AS position, a.details
     FROM backup.audit_log a
     WHERE ${organizationId === null ? "$1::text IS NULL" : "organization_id = $1"} AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR outcome = $3)
       ${after === null ? "AND $4::timestamptz IS NULL AND $5::bigint IS NULL" : "AND (a.at, a.position) < ($4::timestamptz, $5::bigint)"}
     ORDER BY a.at DESC, a.position DESC LIMIT $6`,
    [organizationId, action, outcome, after?.at ?? null, after?.position ?? null, limit],
  );
}
