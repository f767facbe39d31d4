// What was proven, and asking for a proof.
import { z } from "zod";
import { askTemporal } from "../../client/ask-temporal.ts";
import { describeVerification, requestVerification } from "../../client/start-verification.ts";
import { listVerifications as listVerificationRows } from "../../control/verifications.ts";
import { proofLevels } from "../../domain/backup-request.ts";
import { BackupError } from "../../domain/errors.ts";
import { defineEndpoint } from "../endpoint.ts";
import { cursor, id, limit, organizationId, organizationQuery, purpose } from "../input.ts";
import { readPage } from "../page.ts";
import { backupSchema, choiceOf } from "./backup-choice.ts";

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
    const filter = { organizationId: call.organizationId, jobId: call.query.backupId ?? null };
    const { page, next } = await readPage(call.query, {
      cursor: cursorSchema,
      read: (after, most) => call.run((bound) => listVerificationRows(bound, { ...filter, after, limit: most })),
      positionOf: (row) => ({ at: row.finishedAt, id: row.id }),
    });
    return { status: 200, body: { verifications: page, next } };
  },
});

const levels = proofLevels.filter((level) => level !== "none");
const locationOf = (wanted: string): string => `/api/admin/verifications/${wanted}`;

const orderedSchema = z
  .object({
    verificationId: z.string(),
    organizationId: z.string(),
    state: z.enum(["running", "proven", "unproven", "failed", "cancelled"]),
    outcome: z
      .object({ backupId: z.string(), level: z.string(), problemCount: z.number() })
      .loose()
      .nullable()
      .meta({ description: "What was looked at and found, once it is over" }),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: "OrderedVerification" });

export const startVerification = defineEndpoint({
  id: "startVerification",
  method: "post",
  path: "/api/admin/verifications",
  action: "verification.start",
  scope: "organization",
  summary: "Prove a stored backup again",
  body: z
    .strictObject({
      organizationId: organizationId.optional(),
      backup: backupSchema,
      level: z.enum(levels).default("integrity").meta({
        description: "restore: it is restored into a database of its own, and compared there",
      }),
      purpose: purpose.optional(),
    })
    .meta({ id: "VerificationBody" }),
  limit: "trigger",
  success: { status: 202, description: "It runs", schema: orderedSchema, location: true },
  refusals: ["TemporalUnreachable"],
  async handle(call) {
    const { verificationId, organizationId: organization } = await askTemporal(call.client, () =>
      requestVerification(call.client, {
        organizationId: call.organizationId as string,
        choice: choiceOf(call.body.backup),
        level: call.body.level,
        requestedBy: call.principal.subject,
      }),
    );
    const body = { verificationId, organizationId: organization, state: "running", outcome: null, error: null };
    return { status: 202, body, headers: { Location: locationOf(verificationId) } };
  },
});

export const readVerification = defineEndpoint({
  id: "readVerification",
  method: "get",
  path: "/api/admin/verifications/{verificationId}",
  action: "verification.read",
  scope: "organization",
  summary: "A verification that was asked for, and what it found",
  params: z.strictObject({ verificationId: id }),
  query: organizationQuery,
  success: { status: 200, description: "How it stands", schema: orderedSchema },
  refusals: ["VerificationNotFound", "TemporalUnreachable"],
  async handle(call) {
    // The workflow's id is made of the organization's, so this looks at no other's.
    const order = { organizationId: call.organizationId as string, verificationId: call.params.verificationId };
    const found = await describeVerification(call.client, order);
    if (found === null) throw new BackupError("VerificationNotFound", "There is no such verification.");
    return { status: 200, body: { ...order, ...found } };
  },
});
