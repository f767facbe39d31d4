// The audit log.
import { z } from "zod";
import { listAudit as listAuditRows } from "../../control/audit.ts";
import { defineEndpoint } from "../endpoint.ts";
import { cursor, decodeCursor, encodeCursor, limit, organizationId } from "../input.ts";

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
    const { action, outcome, limit: count, cursor: text } = call.query;
    const rows = await call.run((bound) =>
      listAuditRows(bound, {
        organizationId: call.organizationId,
        action: action ?? null,
        outcome: outcome ?? null,
        after: decodeCursor(cursorSchema, text),
        limit: count + 1,
      }),
    );
    const page = rows.slice(0, count);
    const last = page.at(-1);
    const next =
      rows.length > count && last !== undefined ? encodeCursor({ at: last.at, position: last.position }) : null;
    return { status: 200, body: { entries: page, next } };
  },
});
