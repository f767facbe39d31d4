// The audit log.
import { z } from "zod";
import { listAudit as listAuditRows, type AuditRow } from "../../control/audit.ts";
import { defineEndpoint } from "../endpoint.ts";
import { cursor, limit, organizationId } from "../input.ts";
import { readPage } from "../page.ts";

const entrySchema = z
  .object({
    chain: z.string(),
    position: z.number(),
    at: z.string(),
    organizationId: z.string().nullable(),
    actor: z.string(),
    actorRole: z.string(),
    action: z.string(),
    subject: z.string(),
    outcome: z.enum(["allowed", "refused", "done", "failed"]),
    ipHash: z.string().nullable(),
    requestId: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
    hash: z.string(),
  })
  .meta({ id: "AuditEntry" });

/**
 * That its data was copied is the organization's to know; as which other organization is not. What went wrong with a
 * restore is told by the restore itself, to those who may see it.
 */
function withoutOthers<T extends Pick<AuditRow, "action" | "organizationId" | "details">>(entry: T): T {
  if (!entry.action.startsWith("backup_restores.")) return entry;
  const side = (values: unknown): unknown => {
    if (typeof values !== "object" || values === null) return values;
    const { error_message: _message, ...told } = values as Record<string, unknown>;
    const target = told["target_organization_id"];
    return target === undefined || target === entry.organizationId
      ? told
      : { ...told, target_organization_id: "another organization" };
  };
  const { before, after, ...rest } = entry.details;
  return { ...entry, details: { ...rest, before: side(before), after: side(after) } };
}

const cursorSchema = z.strictObject({ at: z.iso.datetime({ offset: true, precision: 6 }), position: z.int().min(0) });

export const listAudit = defineEndpoint({
  id: "listAudit",
  method: "get",
  path: "/api/admin/audit",
  action: "audit.read",
  scope: "any",
  summary: "The audit log, newest first",
  query: z.strictObject({
    organizationId: organizationId.optional(),
    action: z
      .string()
      .regex(/^[\w.]{1,60}$/)
      .optional(),
    outcome: z.enum(["allowed", "refused", "done", "failed"]).optional(),
    limit,
    cursor,
  }),
  success: {
    status: 200,
    description: "One page",
    schema: z.object({ entries: z.array(entrySchema), next: z.string().nullable() }),
  },
  async handle(call) {
    const { action = null, outcome = null } = call.query;
    const filter = { organizationId: call.organizationId, action, outcome };
    const { page, next } = await readPage(call.query, {
      cursor: cursorSchema,
      read: (after, most) => call.run((bound) => listAuditRows(bound, { ...filter, after, limit: most })),
      positionOf: (row) => ({ at: row.at, position: row.position }),
    });
    const isPlatform = call.principal.role === "platform";
    return { status: 200, body: { entries: page.map((row) => (isPlatform ? row : withoutOthers(row))), next } };
  },
});
