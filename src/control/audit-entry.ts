// One entry of the audit log, as it is read.
import { utcMoment } from "./utc-moment.ts";

export interface AuditEntryFields {
  readonly chain: string;
  /** ISO 8601 UTC with microseconds. */
  readonly at: string;
  readonly organizationId: string | null;
  readonly actor: string;
  readonly actorRole: string;
  readonly action: string;
  readonly subject: string;
  readonly outcome: string;
  readonly ipHash: string | null;
  readonly requestId: string | null;
  readonly hash: string;
}

/** Of backup.audit_log AS a. The position and the details are read as each use needs them. */
export const auditEntryColumns = `a.chain, ${utcMoment("a.at")} AS at, a.organization_id AS "organizationId",
  a.actor, a.actor_role AS "actorRole", a.action, a.subject, a.outcome, a.ip_hash AS "ipHash", a.request_id AS "requestId", a.hash`;
