// What was proven.
import { z } from "zod";
import { listVerifications as listVerificationRows } from "../../control/verifications.ts";
import { defineEndpoint } from "../endpoint.ts";
import { cursor, decodeCursor, encodeCursor, id, limit, organizationId } from "../input.ts";

const verificationSchema = z
  .object({
    id: z.number(),
    organizationId: z.string(),
    jobId: z.string(),
    level: z.string(),
    proven: z.boolean(),
    objects: z.number(),
    bytes: z.number(),
    problems: z.array(z.object({ key: z.string(), code: z.string(), message: z.string() })),
    startedAt: z.string(),
    finishedAt: z.string(),
  })
  .meta({ id: "Verification" });

const cursorSchema = z.strictObject({ at: z.iso.datetime({ offset: true, precision: 6 }), id: z.int().min(0) });

export const listVerifications = defineEndpoint({
  id: "listVerifications",
  method: "get",
  path: "/api/admin/verifications",
  action: "verification.read",
  scope: "any",
  summary: "What was proven of which backup, newest first",
  query: z.strictObject({ organizationId: organizationId.optional(), backupId: id.optional(), limit, cursor }),
  success: {
    status: 200,
    description: "One page",
    schema: z.object({ verifications: z.array(verificationSchema), next: z.string().nullable() }),
  },
  async handle(call) {
    const { backupId, limit: count, cursor: text } = call.query;
    const rows = await call.run((bound) =>
      listVerificationRows(bound, {
        organizationId: call.organizationId,
        jobId: backupId ?? null,
        after: decodeCursor(cursorSchema, text),
        limit: count + 1,
      }),
    );
    const page = rows.slice(0, count);
    const last = page.at(-1);
    const next = rows.length > count && last !== undefined ? encodeCursor({ at: last.finishedAt, id: last.id }) : null;
    return { status: 200, body: { verifications: page, next } };
  },
});
